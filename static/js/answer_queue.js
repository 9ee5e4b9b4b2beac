// The answers that the server has not confirmed yet. Each is its own entry in localStorage, so that two tabs
// never overwrite each other and a closed tab leaves its answers to be sent by the next one.

export class AnswerQueue {
  constructor(study, person) {
    this.prefix = `humanmark:${study}:${person}:`;
    this.memory = new Map();
    this.isDurable = true;
  }

  add(answer) {
    // The time, padded, keeps the entries in the order of the key presses.
    const key = `${this.prefix}${String(Date.now()).padStart(15, "0")}:${answer.client_id}`;
    const text = JSON.stringify(answer);
    this.memory.set(key, text);
    try {
      localStorage.setItem(key, text);
    } catch {
      this.isDurable = false; // storage is full or forbidden: the answer lives in this tab only
    }
  }

  // All waiting answers, oldest first; those of an earlier visit included.
  entries() {
    const found = new Map(this.memory);
    try {
      for (let i = 0; i < localStorage.length; i += 1) {
        const key = localStorage.key(i);
        if (key.startsWith(this.prefix)) found.set(key, localStorage.getItem(key));
      }
    } catch {
      this.isDurable = false;
    }
    const answers = [];
    for (const key of [...found.keys()].sort()) {
      try {
        answers.push({ key, answer: JSON.parse(found.get(key)) });
      } catch {
        this.forget(key); // not ours: a damaged entry could never be sent
      }
    }
    return answers;
  }

  forget(key) {
    this.memory.delete(key);
    try {
      localStorage.removeItem(key);
    } catch {
      this.isDurable = false;
    }
  }
}
