const words = ["<unk>", "<eos>", "what", "is", "it", "a", "star", "?", "Q:", "A:", "moon"];

/** A parsed `tokenizer.json` of whole words. */
export const tokenizerJson = {
  version: "1.0",
  added_tokens: [
    { id: 1, content: "<eos>", special: true, single_word: false, lstrip: false, rstrip: false, normalized: false },
  ],
  normalizer: null,
  pre_tokenizer: { type: "WhitespaceSplit" },
  post_processor: null,
  decoder: null,
  model: { type: "WordLevel", vocab: Object.fromEntries(words.map((word, id) => [word, id])), unk_token: "<unk>" },
};
