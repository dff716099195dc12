"use strict";
// The state of the explorer is in the address of the page, behind the `#`, so that a link leads back to it.

// Returns {answers, compare, file, show}: `compare` is [question, other answer] or null, `file` a path or null,
// `show` is "difference" or "file". Throws an Error that says what the address names in vain.
explorer.parse = (hash) => {
  const { questions } = explorer.manifest;
  const answers = Object.fromEntries(questions.map(({ name, default: usual }) => [name, usual]));
  const state = { answers, compare: null, file: null, show: "difference" };
  const check = (name, answer) => {
    const question = questions.find((each) => each.name === name);
    if (!question) throw new Error(`there is no question “${name}”`);
    if (!question.answers.includes(answer)) throw new Error(`“${answer}” is no answer to ${name}`);
    return [name, answer];
  };
  for (const [name, value] of new URLSearchParams(hash.replace(/^#/, ""))) {
    if (name === "compare") {
      const [question, ...answer] = value.split(":");
      state.compare = check(question, answer.join(":"));
    } else if (name === "file") {
      if (!explorer.numbers.has(value)) throw new Error(`no service has a file “${value}”`);
      state.file = value;
    } else if (name === "show") {
      if (!["difference", "file"].includes(value)) throw new Error(`“${value}” is no way to show a file`);
      state.show = value;
    } else {
      answers[name] = check(name, value)[1];
    }
  }
  if (state.compare && answers[state.compare[0]] === state.compare[1]) state.compare = null;
  return state;
};

explorer.format = ({ answers, compare, file, show }) => {
  const { questions } = explorer.manifest;
  const parts = questions.filter(({ name, default: usual }) => answers[name] !== usual);
  const pairs = parts.map(({ name }) => [name, answers[name]]);
  if (compare) pairs.push(["compare", compare.join(":")]);
  if (file) pairs.push(["file", file]);
  if (file && show === "file") pairs.push(["show", show]);
  const encode = (value) => encodeURIComponent(value).replace(/%(2F|3A)/g, decodeURIComponent);
  const text = pairs.map(([name, value]) => `${name}=${encode(value)}`);
  // without any part it still is an address of the explorer
  return `#${text.join("&") || `${questions[0].name}=${answers[questions[0].name]}`}`;
};
