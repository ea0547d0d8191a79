// What the loader's threads run: a record to ids, labels and pictures, records to a micro-batch.
import type { TokenBatch } from "@kd/contract";
import { collate, encodeConversation, imageProcessor, parseConversation, type Sample, type Template } from "@kd/data";
import { type Encoder, loadTokenizer, pictureBytes, readImage } from "@kd/data/node";
import { type KeptMemory, keptKeys } from "./kept-keys.ts";

/** Plain data: it goes to threads. */
export interface StepEncoderOptions {
  /** Folder with `tokenizer.json`. */
  readonly tokenizer: string;
  readonly template: Template;
  readonly imageTokenId: number;
  readonly imageTokens: number;
  readonly vocabSize: number;
  readonly maxLength: number;
  /** As `preprocessor_config.json`. */
  readonly processor: object;
  /** Pictures whose features are there: they need no pixels. */
  readonly kept: KeptMemory;
}

/** A picture by the hash of its bytes. */
export interface Picture {
  readonly key: string;
  /** `[size, size, 3]`, or the file's own bytes where its features are there: they cost no decoding, and serve where the features turn out damaged. */
  readonly pixels: Float32Array | Uint8Array;
}

/** A micro-batch and the pictures of its spans, in order. */
export interface PictureBatch extends TokenBatch {
  readonly pictures: readonly Picture[];
}

type PictureSample = Sample & { readonly pictures: readonly Picture[] };

/** Throws `KD_DATA` for a record or picture that cannot be read, `KD_CONFIG` for the files of the model. */
export async function createEncoder(options: StepEncoderOptions): Promise<Encoder<PictureSample, PictureBatch>> {
  const { template, imageTokenId, imageTokens, vocabSize, maxLength } = options;
  const tokenizer = await loadTokenizer(options.tokenizer);
  const processor = imageProcessor(options.processor);
  const kept = keptKeys(options.kept);
  return {
    encode: async (record) => {
      const conversation = parseConversation(record.value, record.where);
      const text = { tokenizer, template, imageTokenId, imageTokens, maxLength };
      const sample = encodeConversation(conversation, text);
      const pictures: Picture[] = [];
      for (const image of conversation.images.slice(0, sample.imageSpans.length)) {
        const { bytes, sha256, where } = await pictureBytes(record, image);
        const pixels = kept.has(sha256)
          ? Uint8Array.from(bytes) // to be handed over: a source may give the same ones again
          : processor.pixels(await readImage(bytes, { name: where, background: "white" }));
        pictures.push({ key: sha256, pixels });
      }
      return { ...sample, pictures };
    },
    collate: (samples) => ({
      ...collate(samples, { padId: 0, vocabSize }),
      pictures: samples.flatMap(({ pictures }) => pictures),
    }),
  };
}
