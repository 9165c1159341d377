// The demonstration's list of employees: one click signs in.

for (const button of document.querySelectorAll("[data-email]")) {
  button.addEventListener("click", () => {
    const form = document.querySelector(".login-form");
    form.elements.email.value = button.dataset.email;
    form.elements.password.value = "demo";
    form.requestSubmit();
  });
}
