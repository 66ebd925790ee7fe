// Keeps a page as it would be if it were loaded anew: the server makes it, this takes over what differs.

const main = document.getElementById("main");
const news = document.getElementById("news");
const LEAST_MS = 1000;
const QUIET_MS = 15000;
let last = Date.now();
let due = 0;
let away = 0;

function isBusy() {
  return document.hidden || document.querySelector("dialog[open], form[data-busy]");
}

async function refresh() {
  due = 0;
  if (isBusy()) return plan(LEAST_MS);
  last = Date.now();
  const answer = await fetch(location.href, { headers: { Accept: "text/html" } }).catch(() => null);
  if (answer?.redirected) return location.reload();
  if (answer && answer.status < 500) {
    take(await answer.text());
    tellBack();
  } else tellAway();
  plan(QUIET_MS);
}

function take(text) {
  const fresh = new DOMParser().parseFromString(text, "text/html").getElementById("main");
  if (!fresh) return;
  Idiomorph.morph(main, fresh, {
    morphStyle: "outerHTML",
    ignoreActiveValue: true,
    callbacks: {
      // What a reader has opened stays open, and what is being filled in stays.
      beforeAttributeUpdated: (name) => name !== "open" && name !== "hidden",
      beforeNodeMorphed: (old) => !(old.matches?.("form:not(.inline)")),
    },
  });
  ready();
}

// Sooner where there is news, but not more often than a page can be made.
function plan(ms) {
  const at = Math.max(Date.now() + ms, last + LEAST_MS);
  if (due && due <= at) return;
  clearTimeout(plan.timer);
  due = at;
  plan.timer = setTimeout(refresh, at - Date.now());
}

function tellAway() {
  away ||= Date.now();
  news.textContent = `The gateway does not answer since ${new Date(away).toLocaleTimeString()}: this page is as it was then.`;
  news.classList.add("alert");
}

function tellBack() {
  if (!away) return;
  away = 0;
  news.classList.remove("alert");
  news.textContent = "The gateway answers again.";
}

function follow() {
  const follows = main.dataset.follows;
  if (!follows) return;
  plan(QUIET_MS);
  const path = follows === "jobs" ? "/v1/events" : `/v1/jobs/${follows}/events`;
  const source = new EventSource(path);
  const hear = () => plan(0);
  for (const type of ["job", "waiting", "queued", "started", "epoch", "progress", "checkpoint", "log", "alarm", "window", "other", "resync"])
    source.addEventListener(type, hear);
  source.addEventListener("finished", () => {
    if (follows !== "jobs") source.close();
    plan(0);
  });
  source.addEventListener("error", () => plan(LEAST_MS));
}

function ready() {
  for (const field of document.querySelectorAll("[data-searches]")) {
    field.closest("[hidden]")?.removeAttribute("hidden");
    if (field.value) search(field);
  }
}

function search(field) {
  const text = document.getElementById(field.dataset.searches);
  text.dataset.whole ??= text.textContent;
  const wanted = field.value.toLowerCase();
  const lines = text.dataset.whole.split("\n");
  text.textContent = lines.filter((line) => line.toLowerCase().includes(wanted)).join("\n") || "No line has that.";
}

document.addEventListener("input", (event) => {
  if (event.target.matches("[data-searches]")) search(event.target);
});

// A picture goes with its form as text, so that the form is one like all others.
document.addEventListener("change", (event) => {
  const [file] = event.target.dataset.into ? event.target.files : [];
  if (!file) return;
  const reader = new FileReader();
  reader.onload = () => (event.target.form.elements[event.target.dataset.into].value = reader.result);
  reader.readAsDataURL(file);
});

document.addEventListener("submit", (event) => {
  const question = event.target.dataset.sure;
  if (question && !confirm(question)) event.preventDefault();
});

document.addEventListener("visibilitychange", () => {
  if (!document.hidden && main.dataset.follows) plan(0);
});

// The system says whether pages are light or dark, until a reader does.
const theme = document.getElementById("theme");
const root = document.documentElement;
root.style.colorScheme = localStorage.getItem("theme") ?? "light dark";
theme?.removeAttribute("hidden");
theme?.addEventListener("click", () => {
  const system = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
  const now = root.style.colorScheme === "light dark" ? system : root.style.colorScheme;
  root.style.colorScheme = now === "dark" ? "light" : "dark";
  localStorage.setItem("theme", root.style.colorScheme);
});

ready();
follow();
