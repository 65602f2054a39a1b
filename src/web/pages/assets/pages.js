// Saves clicks; every page works without it.
"use strict";
for (const button of document.querySelectorAll("[data-shows]")) {
    const fields = button.dataset.shows.split(" ").map((id) => document.getElementById(id));
    const show = (shown) => {
        button.setAttribute("aria-pressed", shown);
        for (const field of fields) field.type = shown ? "text" : "password";
    };
    button.hidden = false;
    button.addEventListener("click", () => show(fields[0].type === "password"));
    // Browsers keep what was typed into fields of text, and passwords are not to be kept.
    button.form.addEventListener("submit", () => show(false));
}
// The frames of the page have told the others once everything has been loaded.
const next = document.querySelector("a[data-next]");
if (next) addEventListener("load", () => location.replace(next.href));
