import { Tokenizer } from "@huggingface/tokenizers";
import { KdError } from "@kd/contract";

/** What encoding needs of a tokenizer. */
export interface TextTokenizer {
  /** Ids without BOS or EOS added. */
  encode(text: string): number[];
  /** Text of ids, special tokens included. */
  decode(ids: readonly number[]): string;
}

/** Loads parsed `tokenizer.json` (and `tokenizer_config.json`). Throws `KD_DATA`. */
export function createTokenizer(json: object, config: object = {}): TextTokenizer {
  try {
    const inner = new Tokenizer(json, config);
    return {
      encode: (text) => inner.encode(text, { add_special_tokens: false }).ids,
      decode: (ids) => inner.decode([...ids], { skip_special_tokens: false, clean_up_tokenization_spaces: false }),
    };
  } catch (cause) {
    throw new KdError("KD_DATA", "tokenizer.json: not a tokenizer that can be read; pass the parsed file", { cause });
  }
}
