import { KdError } from "@kd/contract";

/**
 * Throws `KD_CONFIG` unless every id that the text can give has a row in the embedding.
 *
 * @param tokenizerSize largest id + 1, `PretrainedTokenizer.size`
 * @param vocabSize rows of the embedding
 * @param imageTokenId id of `<image>`, where it is none of the tokenizer's
 * @returns rows that no id reaches (padding of the embedding); more than a few hundred speak for another model's tokenizer
 */
export function checkVocabulary({
  tokenizerSize,
  vocabSize,
  imageTokenId = 0,
}: {
  readonly tokenizerSize: number;
  readonly vocabSize: number;
  readonly imageTokenId?: number;
}): number {
  const needed = Math.max(tokenizerSize, imageTokenId + 1);
  if (needed > vocabSize)
    throw new KdError(
      "KD_CONFIG",
      `tokenizer does not match the embedding: expected ids below its ${vocabSize} rows, got ${needed - 1}${
        needed > tokenizerSize ? " as the image token" : ""
      }; take the tokenizer of this model's own folder`,
    );
  return vocabSize - needed;
}
