// What bench-data.mjs encodes with: words, no pictures.
export const createEncoder = () => ({
  encode: ({ value }) => value.conversations.map((turn) => turn.value.split(" ").length),
  collate: (samples) => Int32Array.from(samples.flat()),
});
