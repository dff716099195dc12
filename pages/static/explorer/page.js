"use strict";
// Shows the state that the address names, and puts what is chosen into the address.

const byId = (id) => document.getElementById(id);
const opened = new Set(["src/", "src/app/"]);
let state;
let shown; // the address whose state is shown

const go = (change) => {
  location.hash = explorer.format({ ...state, ...change });
  read();
};

const before = () => (state.compare ? { ...state.answers, [state.compare[0]]: state.compare[1] } : state.answers);

// Replaces what an element holds; what had the focus inside has it afterwards.
const replace = (element, ...children) => {
  const { activeElement: active } = document;
  const path = element.contains(active) && active.dataset.path;
  element.replaceChildren(...children);
  if (path) element.querySelector(`[data-path="${CSS.escape(path)}"]`)?.focus({ preventScroll: true });
};

const problem = (text) => {
  byId("problem").hidden = !text;
  byId("problem").textContent = text;
};

const read = () => {
  // a part of the page, such as the theme's links lead to
  const part = byId(location.hash.slice(1));
  if (location.hash === shown || (state && part)) return;
  shown = location.hash;
  problem("");
  const asked = state?.file;
  try {
    state = explorer.parse(part ? "" : location.hash);
  } catch (error) {
    state = explorer.parse("");
    problem(`This address names something unknown: ${error.message}. These are the default answers.`);
  }
  show();
  // on a small screen the file is below the list
  const view = byId("view");
  const below = view.getBoundingClientRect().top > innerHeight * 0.8;
  if (state.file && state.file !== asked && below) view.scrollIntoView();
};

const show = () => {
  for (const [name, answer] of Object.entries(state.answers)) byId(`answer-${name}`).value = answer;
  const data = Object.entries(state.answers).map(([name, answer]) => `  --data ${name}=${answer} \\\n`);
  byId("command").textContent = `uvx copier copy \\\n${data.join("")}  ${explorer.manifest.source} my-service`;
  showChoices();
  const changes = new Map();
  for (const file of explorer.manifest.files) {
    const change = explorer.change(file, before(), state.answers);
    if (change) changes.set(file.path, change);
  }
  showFiles(changes);
  showFile(changes.get(state.file));
};

// An answer that is given cannot be compared with itself.
const showChoices = () => {
  for (const option of byId("compare").querySelectorAll("optgroup option")) {
    const [name, answer] = option.value.split(":");
    option.disabled = state.answers[name] === answer;
  }
  byId("compare").value = state.compare ? state.compare.join(":") : "";
};

const showFiles = (changes) => {
  const differ = [...changes].filter(([, change]) => change !== "same");
  const count = (kind) => differ.filter(([, change]) => change === kind).length;
  const text = state.compare
    ? `From ${state.compare.join(" = ")} to ${state.answers[state.compare[0]]}: ` +
      `files added: ${count("added")} (+), removed: ${count("removed")} (−), changed: ${count("changed")} (~).`
    : `${changes.size} files.`;
  if (byId("summary").textContent !== text) byId("summary").textContent = text;
  byId("changes").hidden = !differ.length;
  const links = differ.map(([path, change]) => explorer.link(state, path, path, change));
  replace(byId("changes").lastElementChild, ...links);
  // the folders of the open file
  for (const { index } of (state.file ?? "").matchAll("/")) opened.add(state.file.slice(0, index + 1));
  replace(byId("tree"), explorer.tree(state, changes, opened));
};

const showFile = async (change) => {
  const { element } = explorer;
  const [asked, view] = [state, byId("view")];
  if (!asked.file) return replace(view, element("p", { textContent: "Open a file to see what it holds." }));
  const heading = element("h3", { textContent: asked.file });
  const gone = element("p", { textContent: "This file does not exist with these answers." });
  if (!change) return replace(view, heading, gone);
  const file = explorer.manifest.files[explorer.numbers.get(asked.file)];
  const [old, fresh] = [before(), asked.answers].map((answers) => explorer.version(file, answers));
  let versions;
  try {
    versions = await explorer.load(asked.file);
  } catch (error) {
    if (asked === state) problem(`${error.message} Load the page again.`);
    return undefined;
  }
  if (asked !== state) return undefined; // something else was chosen meanwhile
  const differs = change === "changed" && asked.show === "difference";
  const code = differs
    ? explorer.hunksView(explorer.difference(versions[old].text, versions[fresh].text))
    : explorer.text(versions[fresh ?? old]);
  const pre = element("pre", { tabIndex: 0, className: differs ? "difference" : "" }, code);
  pre.setAttribute("aria-label", asked.file);
  return replace(view, heading, ...about(change), pre);
};

const about = (change) => {
  const { element } = explorer;
  const other = state.compare?.join(" = ");
  if (change === "added") return [element("p", { textContent: `It does not exist with ${other}.` })];
  if (change === "removed") return [element("p", { textContent: `It exists only with ${other}.` })];
  if (change === "same") return state.compare ? [element("p", { textContent: `It is the same with ${other}.` })] : [];
  const button = (show, textContent) => {
    const made = element("button", { type: "button", textContent, onclick: () => go({ show }) });
    made.dataset.path = `show:${show}`; // so that it keeps the focus
    made.setAttribute("aria-pressed", String(state.show === show));
    return made;
  };
  return [element("p", {}, button("difference", `Difference to ${other}`), " ", button("file", "Whole file"))];
};

const copy = async () => {
  try {
    await navigator.clipboard.writeText(byId("command").textContent.replace(/ \\\n +/g, " "));
    byId("copy").textContent = "Copied";
  } catch {
    getSelection().selectAllChildren(byId("command"));
    byId("copy").textContent = "Selected: copy it";
  }
  setTimeout(() => (byId("copy").textContent = "Copy"), 2000);
};

explorer.start = () => {
  byId("answers").addEventListener("change", ({ target: { name, value } }) =>
    go({ answers: { ...state.answers, [name]: value }, compare: [name, state.answers[name]], show: "difference" }),
  );
  byId("answers").addEventListener("submit", (event) => event.preventDefault());
  byId("compare").addEventListener("change", ({ target: { value } }) =>
    go({ compare: value ? value.split(":") : null, show: "difference" }),
  );
  byId("copy").addEventListener("click", copy);
  addEventListener("hashchange", read);
  read();
  byId("variants").hidden = false;
};

// All scripts have run by now.
addEventListener("DOMContentLoaded", () => explorer.manifest || problem("The list of files cannot be loaded."));
