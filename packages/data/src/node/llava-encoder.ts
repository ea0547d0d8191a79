import type { TokenBatch } from "@kd/contract";
import sharp from "sharp";
import { z } from "zod";
import { collate } from "../collate.ts";
import { parseConversation } from "../conversation.ts";
import { encodeConversation, type Sample } from "../encode.ts";
import { type ImageProcessor, imageProcessor } from "../image-processor.ts";
import type { AspectRatio } from "../processor-config.ts";
import { siglipProcessorConfig } from "../siglip.ts";
import { type Template, type TemplateName, templates } from "../template.ts";
import type { PretrainedTokenizer } from "../tokenizer.ts";
import { asDataError, dataError } from "./data-error.ts";
import { readImage } from "./decode.ts";
import type { Encoder } from "./encoder.ts";
import { loadImageProcessor } from "./load-image-processor.ts";
import { loadChatTemplate, loadTokenizer } from "./load-tokenizer.ts";
import { type PictureBytes, pictureBytes } from "./picture-bytes.ts";

/** What LLaVA's encoder needs to know; plain data, since it goes to worker threads. */
export interface LlavaEncoder {
  /** Folder with `tokenizer.json` and the files beside it. */
  readonly tokenizer: string;
  /** A name in `templates`, a record of your own, or "chat": the chat template of the tokenizer's folder. */
  readonly template: TemplateName | Template | "chat";
  readonly imageTokenId: number;
  /** Visual tokens a picture, or a tile. */
  readonly imageTokens: number;
  readonly padId: number;
  readonly vocabSize: number;
  /** Folder with `preprocessor_config.json`, or that file, parsed. @defaultValue SigLIP so400m's: 384 × 384, bicubic, −1…1 */
  readonly processor?: string | object;
  /** `square` as TinyLLaVA, `pad` as LLaVA-1.5, `anyres` as LLaVA-1.6. @defaultValue what the processor's file says, else "square" */
  readonly aspectRatio?: AspectRatio;
  /** Make pixels; without, batches have the keys alone, for caches of features. @defaultValue true */
  readonly pixels?: boolean;
  /** Tokens after which a sample is cut, as `encodeConversation` does. @defaultValue none */
  readonly maxLength?: number;
}

/** A batch, and what its pictures are known by. */
export interface LlavaBatch extends TokenBatch {
  /** SHA-256 of each picture's encoded bytes, in the order of `ImageSpan.image`; a tile has its number behind it (`…/2`). */
  readonly imageKeys: readonly string[];
}

interface LlavaSample extends Sample {
  readonly keys: readonly string[];
  readonly pixels: readonly Float32Array[];
}

const optionsSchema = z.object({
  tokenizer: z.string(),
  template: z.union([z.literal("chat"), z.enum(Object.keys(templates)), z.looseObject({ name: z.string() })]),
  maxLength: z.int().min(1).optional(),
});

async function templateOf({ template, tokenizer: folder }: LlavaEncoder, tokenizer: PretrainedTokenizer) {
  if (typeof template !== "string") return template;
  if (template !== "chat") return templates[template];
  const own = await loadChatTemplate(folder, { tokenizer });
  if (own === undefined) throw dataError(folder, "expected a chat template, got none; name one of the templates");
  return own;
}

/** A picture's tiles and, if wanted, their pixels. */
async function tilesOf(picture: PictureBytes, processor: ImageProcessor, wanted: boolean) {
  const { where: name, bytes } = picture;
  if (wanted) {
    const pixels = processor.tiles(await readImage(bytes, { name }));
    return { count: pixels.length, pixels };
  }
  try {
    const { width, height } = await sharp(bytes).metadata();
    return { count: processor.tileCount({ width, height }), pixels: [] };
  } catch (error) {
    throw asDataError(error, name, "expected a picture, got %s; replace or remove it");
  }
}

/** LLaVA's records to batches: conversation, template and label mask, pictures. Throws `KD_DATA`, `KD_CONFIG`. */
export async function createEncoder(options: LlavaEncoder): Promise<Encoder<LlavaSample, LlavaBatch>> {
  const parsed = optionsSchema.safeParse(options);
  if (!parsed.success) throw dataError("LLaVA's encoder", `${z.prettifyError(parsed.error)}; correct its options`);
  const { processor: given = siglipProcessorConfig(384), aspectRatio, pixels: wanted = true } = options;
  const load = typeof given === "string" ? loadImageProcessor : imageProcessor;
  const processor = await load(given as string & object, { aspectRatio });
  const tokenizer = await loadTokenizer(options.tokenizer);
  const text = { ...options, tokenizer, template: await templateOf(options, tokenizer) };
  const { height, width } = processor.size;
  return {
    encode: async (record) => {
      const conversation = parseConversation(record.value, record.where);
      const [keys, pixels, tiles]: [string[], Float32Array[], number[]] = [[], [], []];
      for (const image of conversation.images) {
        const picture = await pictureBytes(record, image);
        const made = await tilesOf(picture, processor, wanted);
        for (let tile = 0; tile < made.count; tile++)
          keys.push(made.count === 1 ? picture.sha256 : `${picture.sha256}/${tile}`);
        tiles.push(made.count);
        pixels.push(...made.pixels);
      }
      const sample = encodeConversation(conversation, { ...text, tiles });
      const kept = sample.imageSpans.length; // a picture that would be cut is left out
      return { ...sample, keys: keys.slice(0, kept), pixels: pixels.slice(0, kept) };
    },
    collate: (samples) => {
      const batch = collate(samples, options);
      const imageKeys = samples.flatMap(({ keys }) => keys);
      if (!wanted || imageKeys.length === 0) return { ...batch, imageKeys };
      const data = new Float32Array(imageKeys.length * height * width * 3);
      for (const [i, pixels] of samples.flatMap((sample) => sample.pixels).entries())
        data.set(pixels, i * pixels.length);
      return { ...batch, imageKeys, images: { kind: "pixels", data, shape: [imageKeys.length, height, width, 3] } };
    },
  };
}
