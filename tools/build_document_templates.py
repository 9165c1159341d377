"""Builds the DOCX templates of the preset `equipment`: `make templates`.

They are committed, so that nobody needs this script to run the hub; it is where their wording is changed and reviewed as
text, and a test holds the files against it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tools.word_paper import CENTER, LEFT, RIGHT, Paper, fill

FOLDER = Path(__file__).resolve().parent.parent / "crm_core/presets/equipment/documents"


def side(who: str, name: str) -> str:
    """«ООО …, именуемое в дальнейшем «…», в лице …, действующего на основании …»; entrepreneurs and private persons act
    for themselves."""
    acting = (
        f', в лице {{{{ {who}.director_position|decline("gent")|first_lower }}}} '
        f'{{{{ {who}.director|decline("gent") }}}}, {{{{ {who}.director|by_gender("действующего", "действующей") }}}} '
        f"на основании {{{{ {who}.basis }}}}"
    )
    return (
        f"{{{{ {who}.full_name|default({who}.name) }}}}"
        f'{{% if {who}.kind == "entrepreneur" %}}, ОГРНИП {{{{ {who}.ogrn }}}}{{% endif %}}'
        f", {{{{ {who}.called }}}} в дальнейшем «{name}»"
        f'{{% if {who}.kind == "company" %}}{acting}{{% endif %}}'
    )


def offer(title: str, intro: str, terms: Sequence[tuple[str, str]]) -> Any:
    paper = Paper(title)
    paper.letterhead()
    table = paper.table((82, 83), 1, borders=False)
    fill(table.cell(0, 0).paragraphs[0], "№ {{ number }} от {{ date|date }}", LEFT, size=11)
    right = table.cell(0, 1)
    fill(right.paragraphs[0], "{{ customer.name }}", RIGHT, bold=True, size=11)
    person = '{% if person.name %}{% if person.position %}{{ person.position|decline("datv") }} {% endif %}'
    fill(right.add_paragraph(), person + '{{ person.name|decline("datv") }}{% endif %}', RIGHT, size=11)
    requisite = "{% if customer.inn %}ИНН {{ customer.inn }}{% endif %}"
    fill(right.add_paragraph(), requisite + "{% if customer.kpp %}, КПП {{ customer.kpp }}{% endif %}", RIGHT, size=9)
    fill(right.add_paragraph(), "{% if customer.address %}{{ customer.address }}{% endif %}", RIGHT, size=9)
    paper.heading("Коммерческое предложение")
    paper.text(title, CENTER, size=11, after=8)
    paper.text(intro, after=6)
    paper.lines()
    paper.heading("Условия")
    for label, text in terms:
        paper.text(f"{label}: {text}", after=3)
    paper.text("{%p if deal.comment %}", after=0)
    paper.text("{{ deal.comment }}", after=3)
    paper.text("{%p endif %}", after=0)
    paper.text("", after=6)
    signatures = paper.table((95, 70), 1, borders=False)
    fill(signatures.cell(0, 0).paragraphs[0], "{{ firm.director_position }}", LEFT)
    fill(signatures.cell(0, 1).paragraphs[0], "____________ / {{ firm.director|initials }}", RIGHT)
    author = "Исполнитель: {{ author.name }}{% if author.phone %}, тел. {{ author.phone }}{% endif %}"
    paper.text("", after=6)
    paper.text(author + "{% if author.email %}, {{ author.email }}{% endif %}", LEFT, size=9)
    return paper.document


PAYMENT = '{{ deal.payment_terms|default("предоплата 50 % по счёту, остальное — в течение 5 рабочих дней после подписания акта") }}'
VALID = "{% if deal.valid_until %}до {{ deal.valid_until|date }}{% else %}14 календарных дней с его даты{% endif %}"


def contract(title: str, ours: str, theirs: str, sections: Sequence[tuple[str, Sequence[str]]]) -> Any:
    paper = Paper(title)
    paper.text(f"{title} № {{{{ number }}}}", CENTER, bold=True, size=14, after=8)
    table = paper.table((82, 83), 1, borders=False)
    fill(table.cell(0, 0).paragraphs[0], "{% if deal.city %}г. {{ deal.city }}{% else %}г. Москва{% endif %}", LEFT)
    fill(table.cell(0, 1).paragraphs[0], "{{ date|date }}", RIGHT)
    paper.text("", after=2)
    sides = f"{side('firm', ours)}, с одной стороны, и {side('customer', theirs)}, с другой стороны, вместе именуемые"
    paper.text(f"{sides} «Стороны», заключили настоящий договор о нижеследующем.", after=4)
    for number, (heading, clauses) in enumerate(sections, start=1):
        paper.clauses(number, heading, *clauses)
    paper.heading(f"{len(sections) + 1}. Адреса, реквизиты и подписи сторон")
    paper.parties(ours, theirs)
    paper.document.add_page_break()
    paper.text("Приложение № 1", RIGHT, after=0)
    paper.text("к договору № {{ number }} от {{ date|date }}", RIGHT, after=6)
    paper.heading("Спецификация")
    paper.lines()
    signatures = paper.table((82, 83), 1, borders=False)
    for cell, who, called in zip(signatures.rows[0].cells, ("firm", "customer"), (ours, theirs), strict=True):
        fill(cell.paragraphs[0], f"{called}:", LEFT, bold=True, size=10, after=8)
        fill(cell.add_paragraph(), f"_______________ / {{{{ {who}.director|initials }}}}", LEFT, size=10)
    return paper.document


DISPUTES = (
    "Разрешение споров",
    (
        "Споры стороны решают переговорами. Претензия рассматривается в течение 10 рабочих дней со дня получения.",
        'Спор, который не удалось решить, передаётся в {% if customer.kind != "person" %}арбитражный {% endif %}суд по месту нахождения ответчика.',
    ),
)
PRICE = "{{ total|money(currency) }} ({{ total|money_words(currency) }}){% if total_vat %}, в том числе НДС {{ total_vat|money(currency) }}{% else %}, НДС не облагается{% endif %}."
FORCE = "Стороны освобождаются от ответственности за неисполнение, вызванное обстоятельствами непреодолимой силы, если известили о них в течение 5 рабочих дней."
TERM = "Договор вступает в силу с даты подписания и действует {% if deal.ends_on %}до {{ deal.ends_on|date }}{% else %}до полного исполнения обязательств{% endif %}."
COPIES = "Договор составлен в двух экземплярах равной силы, по одному для каждой стороны. Приложение № 1 — его неотъемлемая часть."


def templates() -> dict[str, Any]:
    """File name without its ending → the document."""
    return {
        "offer-equipment": offer(
            "на поставку оборудования",
            "{{ firm.name }} благодарит вас за обращение и предлагает поставить следующее оборудование:",
            (
                ("Срок поставки", "{% if deal.delivery_on %}до {{ deal.delivery_on|date }}{% else %}по согласованию{% endif %}"),
                ("Условия поставки", '{{ deal.delivery_terms|default("доставка до склада покупателя, пусконаладка включена") }}'),
                ("Оплата", PAYMENT),
                ("Гарантия", '{{ deal.warranty|default("12 месяцев со дня ввода в эксплуатацию") }}'),
                ("Предложение действует", VALID),
            ),
        ),
        "offer-service": offer(
            "на сервисное обслуживание оборудования",
            "{{ firm.name }} благодарит вас за обращение и предлагает следующие работы по обслуживанию оборудования:",
            (
                ("Место проведения работ", "{{ deal.delivery_address|default(\"по адресу заказчика\") }}"),
                ("Порядок обслуживания", '{{ deal.delivery_terms|default("выезд инженера в течение 2 рабочих дней после заявки") }}'),
                ("Оплата", PAYMENT),
                ("Гарантия на работы", '{{ deal.warranty|default("6 месяцев") }}'),
                ("Предложение действует", VALID),
            ),
        ),
        "contract-equipment": contract("Договор поставки", "Поставщик", "Покупатель", SUPPLY),
        "contract-service": contract("Договор сервисного обслуживания", "Исполнитель", "Заказчик", SERVICE),
    }  # fmt: skip


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    for name, document in templates().items():
        document.save(str(FOLDER / f"{name}.docx"))


SUPPLY: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("Предмет договора", (
        "Поставщик обязуется передать в собственность Покупателя оборудование, указанное в Спецификации (Приложение № 1), а Покупатель — принять и оплатить его.",
        "Поставщик гарантирует, что оборудование новое, не заложено, не арестовано и свободно от прав третьих лиц.",
    )),
    ("Цена и порядок расчётов", (
        "Цена договора составляет " + PRICE,
        f"Порядок оплаты: {PAYMENT}.",
        "Обязанность по оплате исполнена в день зачисления денег на счёт Поставщика.",
    )),
    ("Поставка, наладка и приёмка", (
        "Срок поставки: {% if deal.delivery_on %}до {{ deal.delivery_on|date }}{% else %}30 рабочих дней со дня предоплаты{% endif %}.",
        "Место поставки: {{ deal.delivery_address|default(customer.address) }}.",
        'Условия поставки: {{ deal.delivery_terms|default("доставка и пусконаладка силами Поставщика, включены в цену") }}.',
        "Количество и комплектность проверяются при передаче; стороны подписывают накладную, а после наладки — акт ввода в эксплуатацию.",
        "Право собственности и риск случайной гибели переходят к Покупателю в момент подписания накладной.",
    )),
    ("Гарантия", (
        'Гарантийный срок: {{ deal.warranty|default("12 месяцев со дня ввода в эксплуатацию") }}.',
        "Недостатки, возникшие не по вине Покупателя, Поставщик устраняет за свой счёт в течение 20 рабочих дней.",
    )),
    ("Ответственность сторон", (
        "За просрочку поставки или оплаты виновная сторона платит неустойку 0,1 % от просроченной суммы за каждый день, но не более 10 % от неё.",
        FORCE,
    )),
    DISPUTES,
    ("Срок действия и прочие условия", (TERM, COPIES)),
)  # fmt: skip
SERVICE: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("Предмет договора", (
        "Исполнитель обязуется обслуживать оборудование Заказчика по перечню работ в Спецификации (Приложение № 1), а Заказчик — принимать и оплачивать работы.",
        "Место проведения работ: {{ deal.delivery_address|default(customer.address) }}.",
    )),
    ("Порядок обслуживания", (
        'Порядок: {{ deal.delivery_terms|default("выезд инженера в течение 2 рабочих дней после заявки по телефону или электронной почте") }}.',
        "Заказчик обеспечивает доступ к оборудованию и безопасные условия работы инженера.",
        "По окончании работ стороны подписывают акт. Если в течение 5 рабочих дней Заказчик не направил мотивированный отказ, работы считаются принятыми.",
    )),
    ("Цена и порядок расчётов", (
        "Стоимость работ по договору составляет " + PRICE,
        f"Порядок оплаты: {PAYMENT}.",
        "Запасные части, не указанные в Спецификации, оплачиваются по отдельному счёту после согласования.",
    )),
    ("Гарантия на работы", (
        'Гарантия на выполненные работы: {{ deal.warranty|default("6 месяцев со дня подписания акта") }}.',
    )),
    ("Ответственность сторон", (
        "За нарушение сроков виновная сторона платит неустойку 0,1 % от стоимости просроченного за каждый день, но не более 10 % от неё.",
        FORCE,
    )),
    DISPUTES,
    ("Срок действия и прочие условия", (
        TERM,
        "Каждая сторона вправе отказаться от договора, известив другую за 30 календарных дней и оплатив выполненное.",
        COPIES,
    )),
)  # fmt: skip


if __name__ == "__main__":
    main()
