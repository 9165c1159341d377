// Words that scripts show, in the reader's language: the page hands them over as data.

const source = document.getElementById("texts");
export const texts = source ? JSON.parse(source.textContent) : {};
