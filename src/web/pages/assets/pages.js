// Saves clicks: every page works without it. Only passkeys need it, because browsers show those to scripts alone.
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
// Passkeys (WebAuthn Level 3): the value that proves the form is the challenge.
const encoded = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer)))
    .replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
const decoded = (text) => Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (byte) => byte.charCodeAt(0));
const ask = (challenge) => navigator.credentials.get({ publicKey: { challenge, userVerification: "required" } });
const make = (challenge, { place, handle, login, name, known }) => navigator.credentials.create({ publicKey: {
    challenge,
    rp: { name: place },
    user: { id: decoded(handle), name: login, displayName: name },
    pubKeyCredParams: [-7, -8, -257].map((alg) => ({ type: "public-key", alg })),
    authenticatorSelection: { residentKey: "required", requireResidentKey: true, userVerification: "required" },
    excludeCredentials: known.split(" ").filter(Boolean).map((id) => ({ type: "public-key", id: decoded(id) })),
} });
const told = ({ id, response }) => ({ id, response: {
    clientDataJSON: encoded(response.clientDataJSON),
    authenticatorData: encoded(response.authenticatorData ?? response.getAuthenticatorData()),
    ...(response.signature
        ? { signature: encoded(response.signature), userHandle: response.userHandle && encoded(response.userHandle) }
        : { publicKey: encoded(response.getPublicKey()), publicKeyAlgorithm: response.getPublicKeyAlgorithm() }),
} });
const button = document.querySelector("[data-passkey]");
// The stylesheet shows what needs scripts where there are any, so that nothing moves; not all browsers can tell it that.
for (const [kind, isNeeded] of [["scripted", Boolean(window.PublicKeyCredential)], ["unscripted", !window.PublicKeyCredential]]) {
    for (const part of document.querySelectorAll(`.${kind}`)) {
        part.classList.remove(kind);
        part.hidden = !isNeeded;
    }
}
if (button && window.PublicKeyCredential) {
    const form = button.form, failed = document.getElementById("passkey-failed");
    // Enter in the name means the button; a form without a passkey has nothing to say.
    if ("handle" in button.dataset) form.addEventListener("submit", (event) => { event.preventDefault(); button.click(); });
    button.addEventListener("click", async () => {
        button.disabled = failed.hidden = true;
        try {
            const challenge = new TextEncoder().encode(form.elements.forgery.value);
            const credential = await ("handle" in button.dataset ? make(challenge, button.dataset) : ask(challenge));
            const field = form.querySelector(`input[name=${button.dataset.passkey}]`);
            field.value = JSON.stringify(told(credential));
            field.disabled = false;
            // What was typed meanwhile is neither needed nor to be kept.
            if (form.elements.password) form.elements.password.disabled = true;
            // A button has the id "submit", and so the name of the function on this form.
            HTMLFormElement.prototype.submit.call(form);
        } catch {
            button.disabled = failed.hidden = false;
        }
    });
}
