import { CAPTION_WORDS } from "./captions.ts";
import type { Lexicon } from "./lexicon.ts";
import { QUESTION_WORDS } from "./questions.ts";

/** Special tokens by their ids: `<usr>` opens a question, `<ast>` an answer, `<bos>` a caption, `<eos>` ends both. */
export const SPECIAL_TOKENS: readonly string[] = ["<pad>", "<image>", "<usr>", "<ast>", "<eos>", "<bos>", "<unk>"];

/**
 * A Hugging Face `tokenizer.json` with one token a word: WordPiece without word parts, which tokenizers.js reads and
 * which names its unknown token itself. Case, accents and missing spaces around marks do not matter. With a `pieceLength` words are cut
 * into pieces of at most so many letters: another tokenizer for the same text.
 */
export function buildTokenizer(
  lexicon: Lexicon,
  { pieceLength = Number.POSITIVE_INFINITY }: { readonly pieceLength?: number } = {},
): object {
  const words = new Set([...lexicon.contentWords, ...QUESTION_WORDS, ...CAPTION_WORDS]);
  const ordinary = [...new Set([...words].flatMap((word) => pieces(word, pieceLength)))].sort();
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

/** WordPiece takes the longest piece it knows: as no piece is longer, it cuts a known word just so. */
function pieces(word: string, length: number): string[] {
  if (word.length <= length) return [word];
  const count = Math.ceil(word.length / length);
  return Array.from({ length: count }, (_, i) => (i === 0 ? "" : "##") + word.slice(i * length, (i + 1) * length));
}
