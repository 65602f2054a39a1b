// Saves clicks on "Refresh": the page is fetched again and changed where it differs, so that nothing flickers and the focus stays.
"use strict";
const EVERY = 5000;
const live = document.getElementById("live"), pause = document.getElementById("pause"), news = document.getElementById("news");
const isSame = (one, other) => one.nodeName === other.nodeName && (one.id ?? "") === (other.id ?? "");
const renew = (old, now) => {
    if (old.nodeType !== Node.ELEMENT_NODE) {
        if (old.data !== now.data) old.data = now.data;
        return;
    }
    for (const { name } of [...old.attributes]) if (!now.hasAttribute(name)) old.removeAttribute(name);
    for (const { name, value } of now.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
    let at = old.firstChild;
    for (const child of [...now.childNodes]) {
        // Rows have ids: one that is further down has lost those before it, one that is nowhere is new.
        if (at && !isSame(at, child)) {
            let later = at.nextSibling;
            while (later && !(child.id && isSame(later, child))) later = later.nextSibling;
            if (later) while (at !== later) { const gone = at; at = at.nextSibling; gone.remove(); }
        }
        if (at && isSame(at, child)) {
            renew(at, child);
            at = at.nextSibling;
        } else {
            old.insertBefore(document.importNode(child, true), at);
        }
    }
    while (at) { const gone = at; at = at.nextSibling; gone.remove(); }
};
let isAsking = false;
const refresh = async () => {
    if (isAsking) return;
    isAsking = true;
    try {
        const answer = await fetch("/dashboard", { cache: "no-store" });
        if (!answer.ok) throw new Error(answer.status);
        const now = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("live");
        const row = document.activeElement.closest("tr[id]")?.id;
        renew(live, now);
        // A row that has moved up or down has taken the focus away.
        if (row && document.activeElement === document.body) document.getElementById(row)?.querySelector("a")?.focus({ preventScroll: true });
        if (news.textContent) news.textContent = "";
    } catch {
        news.textContent = "The gateway does not answer; what is shown is from before.";
    } finally {
        isAsking = false;
    }
};
setInterval(() => { if (!document.hidden && pause.ariaPressed === "false") refresh(); }, EVERY);
pause.hidden = false;
pause.addEventListener("click", () => { pause.ariaPressed = String(pause.ariaPressed === "false"); });
document.getElementById("refresh").addEventListener("click", (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    refresh();
});
