import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { TokenBatch } from "@kd/contract";
import { z } from "zod";
import { parseJson } from "../bounded-json.ts";
import { collate } from "../collate.ts";
import { parseConversation } from "../conversation.ts";
import { encodeConversation, type Sample } from "../encode.ts";
import { siglipPixels } from "../siglip.ts";
import { type Template, templates } from "../template.ts";
import { createTokenizer } from "../tokenizer.ts";
import { dataError } from "./data-error.ts";
import type { Encoder } from "./encoder.ts";
import { decodePicture, pictureBytes } from "./read-picture.ts";

/** What LLaVA's encoder needs to know; plain data, since it goes to worker threads. */
export interface LlavaEncoder {
  /** Folder with `tokenizer.json` and, if there is one, `tokenizer_config.json`. */
  readonly tokenizer: string;
  /** A name in `templates`, or a record of your own. */
  readonly template: keyof typeof templates | Template;
  readonly imageTokenId: number;
  /** Visual tokens a picture. */
  readonly imageTokens: number;
  readonly padId: number;
  readonly vocabSize: number;
  /** Side of the square that pictures are scaled to, in pixels. @defaultValue 384, SigLIP so400m's */
  readonly imageSize?: number;
  /** Keep the aspect ratio, as LLaVA does. @defaultValue false, as TinyLLaVA */
  readonly pad?: boolean;
  /** Decode pictures; without, batches have the keys alone, for caches of features. @defaultValue true */
  readonly pixels?: boolean;
  /** Tokens after which a sample is cut, as TinyLLaVA's `model_max_length`. @defaultValue none */
  readonly maxLength?: number;
}

/** A batch, and what its pictures are known by. */
export interface LlavaBatch extends TokenBatch {
  /** SHA-256 of each picture's encoded bytes, in the order of `ImageSpan.image`. */
  readonly imageKeys: readonly string[];
}

interface LlavaSample extends Sample {
  readonly keys: readonly string[];
  readonly pixels: readonly Float32Array[];
}

const optionsSchema = z.object({
  tokenizer: z.string(),
  template: z.union([
    z.enum(Object.keys(templates) as (keyof typeof templates)[]),
    z.looseObject({ name: z.string() }),
  ]),
  imageSize: z.int().min(1).optional(),
  maxLength: z.int().min(2).optional(),
});

function cut(sample: Sample, maxLength: number, where: string): Sample {
  if (sample.inputIds.length <= maxLength) return sample;
  if (sample.imageSpans.some(({ start, length }) => start + length > maxLength))
    throw dataError(
      where,
      `expected its pictures within ${maxLength} tokens, got a longer text before them; raise maxLength`,
    );
  return { ...sample, inputIds: sample.inputIds.slice(0, maxLength), labels: sample.labels.slice(0, maxLength) };
}

/** LLaVA's records to batches: conversation, template and label mask, pictures. Throws `KD_DATA`. */
export async function createEncoder(options: LlavaEncoder): Promise<Encoder<LlavaSample, LlavaBatch>> {
  const parsed = optionsSchema.safeParse(options);
  if (!parsed.success) throw dataError("LLaVA's encoder", `${z.prettifyError(parsed.error)}; correct its options`);
  const { imageSize: size = 384, pad = false, pixels: wanted = true, maxLength = Number.POSITIVE_INFINITY } = options;
  const read = async (name: string, otherwise?: string): Promise<object> => {
    const file = join(options.tokenizer, name);
    const text = await readFile(file, "utf8").catch((error) => {
      if (otherwise === undefined)
        throw dataError(file, `expected a tokenizer, got ${error}; correct the folder`, error);
      return otherwise;
    });
    return parseJson(text, file) as object;
  };
  const tokenizer = createTokenizer(await read("tokenizer.json"), await read("tokenizer_config.json", "{}"));
  const template = typeof options.template === "string" ? templates[options.template] : options.template;
  const text = { ...options, tokenizer, template };
  return {
    encode: async (record) => {
      const conversation = parseConversation(record.value, record.where);
      const sample = cut(encodeConversation(conversation, text), maxLength, record.where);
      const [keys, pixels]: [string[], Float32Array[]] = [[], []];
      for (const image of conversation.images) {
        const picture = await pictureBytes(record, image);
        keys.push(picture.sha256);
        if (wanted) pixels.push(siglipPixels(await decodePicture(picture), { size, pad }));
      }
      return { ...sample, keys, pixels };
    },
    collate: (samples) => {
      const batch = collate(samples, options);
      const imageKeys = samples.flatMap(({ keys }) => keys);
      if (!wanted || imageKeys.length === 0) return { ...batch, imageKeys };
      const data = new Float32Array(imageKeys.length * size * size * 3);
      for (const [i, pixels] of samples.flatMap((sample) => sample.pixels).entries())
        data.set(pixels, i * size * size * 3);
      return { ...batch, imageKeys, images: { kind: "pixels", data, shape: [imageKeys.length, size, size, 3] } };
    },
  };
}
