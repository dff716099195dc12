"use strict";
// Which files there are with which answers, and what they hold.

// Returns the number of a file's version, or undefined where the file does not exist.
explorer.version = (file, answers) => file.versions[file.questions.map((name) => answers[name]).join("/")];

// Returns what becomes of a file from the answers `before` to `now`: "added", "removed", "changed", "same", or "" if
// neither has it.
explorer.change = (file, before, now) => {
  const [old, fresh] = [explorer.version(file, before), explorer.version(file, now)];
  if (old === fresh) return fresh === undefined ? "" : "same";
  if (old === undefined) return "added";
  return fresh === undefined ? "removed" : "changed";
};

const loading = new Map();

// Returns a promise of all versions of a file: [{text, marks}]. It fails when they cannot be loaded.
explorer.load = (path) => {
  const number = explorer.numbers.get(path);
  if (!loading.has(number)) {
    const wait = {};
    wait.promise = new Promise((resolve, reject) => Object.assign(wait, { resolve, reject }));
    loading.set(number, wait);
    const script = document.createElement("script");
    // browsers may keep files of an earlier build
    script.src = `${explorer.base}files/${number}.js?v=${explorer.manifest.build}`;
    script.onerror = () => {
      loading.delete(number); // so that the next try loads it again
      wait.reject(new Error(`${path} cannot be loaded.`));
    };
    document.head.append(script);
  }
  return loading.get(number).promise;
};

explorer.receive = (number, versions) => loading.get(number).resolve(versions);
