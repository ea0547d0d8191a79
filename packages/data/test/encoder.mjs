// An encoder for the loader's tests: ids as numbers, and faults on request.
export const createEncoder = ({ fault, at, slow } = {}) => {
  if (fault === "start") throw new Error("no such tokenizer");
  return {
    encode: async ({ value }) => {
      if (slow) await new Promise((resolve) => setTimeout(resolve, (value.id * 7) % 5));
      if (value.id === at) {
        if (fault === "throw") throw new TypeError("not a function");
        if (fault === "exit") process.exit(3);
        if (fault === "heap") for (const kept = []; ; ) kept.push(new Array(10_000).fill(kept.length));
      }
      return value.id;
    },
    collate: (ids) => ({ ids: Int32Array.from(ids) }),
  };
};
