import { Tokenizer } from "@huggingface/tokenizers";
import { KdError } from "@kd/contract";
import { type ChatSettings, chatSettings, parseTokenizerFiles, type TokenizerConfig } from "./tokenizer-config.ts";
import { type EncodeParts, partsEncoder } from "./tokenizer-parts.ts";

/** What encoding needs of a tokenizer. */
export interface TextTokenizer {
  /** Ids without BOS or EOS added. */
  encode(text: string): number[];
  /** Text of ids, special tokens included. */
  decode(ids: readonly number[]): string;
  /** Ids of a text in parts, with no token across a boundary; without it each part is encoded alone. */
  readonly encodeParts?: EncodeParts;
  /** What starts every text, as the BOS of Llama and Gemma. @defaultValue none */
  readonly prefixIds?: readonly number[];
}

/** A tokenizer read from Hugging Face files. Tokens that the files do not name are undefined. */
export interface PretrainedTokenizer extends TextTokenizer, ChatSettings {
  readonly encodeParts: EncodeParts;
  readonly prefixIds: readonly number[];
  /** Largest id + 1: rows that an embedding needs, see `checkVocabulary`. */
  readonly size: number;
  readonly padToken: string | undefined;
  /** `model_max_length` in tokens; undefined where the file gives none or an astronomical one. */
  readonly maxLength: number | undefined;
  /** Id of a token as the vocabulary writes it. */
  idOf(token: string): number | undefined;
}

/** `add_bos_token` where it is said or the class has it on by default, else what the post-processor writes before a text. */
function prefixOf(inner: Tokenizer, config: TokenizerConfig): number[] {
  const bos = config.bos_token === undefined ? undefined : inner.token_to_id(config.bos_token);
  const byClass = /^(Code)?(Llama|Gemma)Tokenizer(Fast)?$/.test(config.tokenizer_class ?? "") ? true : undefined;
  const adds = config.add_bos_token ?? byClass;
  if (adds === false) return [];
  if (adds === true && bos !== undefined) return [bos];
  const bare = inner.encode("a", { add_special_tokens: false }).ids;
  const full = inner.encode("a", { add_special_tokens: true }).ids;
  return full.slice(0, Math.max(0, full.indexOf(bare[0] as number)));
}

/**
 * Reads parsed `tokenizer.json` (merges as pairs or as strings) and `tokenizer_config.json` (default none).
 * `file` names the first in errors. Throws `KD_DATA`.
 */
export function createTokenizer(
  json: object,
  config: object = {},
  { file = "tokenizer.json" }: { file?: string } = {},
): PretrainedTokenizer {
  const parsed = parseTokenizerFiles(json, config, { file });
  const open = (): { inner: Tokenizer; encodeParts: EncodeParts; prefixIds: number[] } => {
    try {
      const unknown = parsed.config.unk_token ?? parsed.json.model.unk_token ?? undefined; // of a WordLevel model the library asks the config only
      const inner = new Tokenizer(parsed.json, { ...parsed.config, unk_token: unknown });
      return { inner, encodeParts: partsEncoder(inner), prefixIds: prefixOf(inner, parsed.config) };
    } catch (cause) {
      throw new KdError(
        "KD_DATA",
        `${file}: not a tokenizer that can be read, got ${String(cause)}; pass the parsed file`,
        { cause },
      );
    }
  };
  const { inner, encodeParts, prefixIds } = open();
  const { pad_token, model_max_length } = parsed.config;
  let size = 0;
  for (const id of inner.get_vocab().values()) size = Math.max(size, id + 1);
  return {
    encode: (text) => encodeParts([text])[0] as number[],
    decode: (ids) => {
      const known = ids.filter((id) => inner.id_to_token(id) !== undefined); // embeddings have rows that no token has
      if (known.length === 0) return "";
      return inner.decode(known, { skip_special_tokens: false, clean_up_tokenization_spaces: false });
    },
    encodeParts,
    prefixIds,
    size,
    ...chatSettings(config, file),
    padToken: pad_token,
    maxLength: (model_max_length ?? 1e30) < 1e9 ? (model_max_length as number) : undefined,
    idOf: (token) => inner.token_to_id(token),
  };
}
