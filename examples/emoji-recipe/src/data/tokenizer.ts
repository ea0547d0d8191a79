import { CAPTION_WORDS } from "./captions.ts";
import type { Lexicon } from "./lexicon.ts";
import { QUESTION_WORDS } from "./questions.ts";

/** Special tokens by their ids: `<usr>` opens a question, `<ast>` an answer, `<bos>` a caption, `<eos>` ends both. */
export const SPECIAL_TOKENS: readonly string[] = ["<pad>", "<image>", "<usr>", "<ast>", "<eos>", "<bos>", "<unk>"];

/**
 * A Hugging Face `tokenizer.json` with one token a word: WordPiece without word parts, which tokenizers.js reads and
 * which names its unknown token itself. Case, accents and missing spaces around marks do not matter.
 */
export function buildTokenizer(lexicon: Lexicon): object {
  const ordinary = [...new Set([...lexicon.contentWords, ...QUESTION_WORDS, ...CAPTION_WORDS])].sort();
  const tokens = [...SPECIAL_TOKENS, ...ordinary];
  return {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: SPECIAL_TOKENS.map((content, id) => ({
      id,
      content,
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special: true,
    })),
    normalizer: {
      type: "Sequence",
      normalizers: [
        { type: "NFD" },
        { type: "StripAccents" },
        { type: "Lowercase" },
        { type: "Replace", pattern: { String: "’" }, content: "'" },
      ],
    },
    pre_tokenizer: {
      type: "Split",
      pattern: { Regex: "[a-z0-9']+|[^a-z0-9'\\s]" },
      behavior: "Removed",
      invert: true,
    },
    post_processor: null,
    decoder: { type: "WordPiece", prefix: "##", cleanup: false },
    model: {
      type: "WordPiece",
      unk_token: "<unk>",
      continuing_subword_prefix: "##",
      max_input_chars_per_word: 100,
      vocab: Object.fromEntries(tokens.map((token, id) => [token, id])),
    },
  };
}
