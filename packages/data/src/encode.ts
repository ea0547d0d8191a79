import { IGNORE_INDEX, KdError } from "@kd/contract";
import type { ChatTemplate } from "./chat-template.ts";
import type { Conversation } from "./conversation.ts";
import { renderConversation } from "./render.ts";
import type { Template } from "./template.ts";
import type { TextTokenizer } from "./tokenizer.ts";

/** One encoded conversation; `labels` are unshifted. */
export interface Sample {
  readonly inputIds: readonly number[];
  /** As many as ids; −100 where nothing is supervised. */
  readonly labels: readonly number[];
  /** One an image, in order; with tiles one a tile. */
  readonly imageSpans: readonly { readonly start: number; readonly length: number }[];
}

/** How {@link encodeConversation} encodes. */
export interface EncodeOptions {
  readonly tokenizer: TextTokenizer;
  /** One of `templates`, a record of your own, or a model's chat template. */
  readonly template: Template | ChatTemplate;
  readonly imageTokenId: number;
  /** Visual tokens of an image, or of each of its tiles; a list, one an image in order, where they differ (LLaVA-NeXT). */
  readonly imageTokens: number | readonly number[];
  /** Stop before the last answer, as a prompt to generate from; nothing is supervised. Default false. */
  readonly prompt?: boolean;
  /** Tiles of each image in order, see `imageProcessor`: so many spans in a row. @defaultValue 1 each */
  readonly tiles?: readonly number[];
  /**
   * Most tokens of a sample, visual tokens included, as Transformers' `model_max_length`. What is longer loses its end; an image that would be
   * cut goes as a whole, with all that follows it, so that `imageSpans` are those of the first images. A prompt is never cut: it throws.
   * @defaultValue none
   */
  readonly maxLength?: number | undefined;
}

/**
 * Encodes part by part, so that supervision is exactly answer and EOS, and a prompt's ids are the beginning of the whole's. Each image becomes
 * `imageTokens` copies of `imageTokenId`. What the tokenizer starts every text with (BOS) comes first, unless a chat template writes it.
 * Throws `KD_DATA` naming the conversation.
 */
export function encodeConversation(conversation: Conversation, options: EncodeOptions): Sample {
  const { tokenizer, template, imageTokenId, imageTokens, prompt = false, tiles, maxLength } = options;
  const parts = renderConversation(conversation, template, { prompt });
  const texts = parts.map(({ text }) => text);
  const encoded = tokenizer.encodeParts?.(texts) ?? texts.map((text) => (text === null ? [] : tokenizer.encode(text)));
  const inputIds: number[] = "render" in template ? [] : [...(tokenizer.prefixIds ?? [])];
  const labels = inputIds.map(() => IGNORE_INDEX);
  const imageSpans: { start: number; length: number }[] = [];
  let image = 0;
  for (const [i, { text, supervised }] of parts.entries()) {
    if (text !== null) {
      for (const id of encoded[i] as number[]) {
        inputIds.push(id);
        labels.push(supervised && !prompt ? id : IGNORE_INDEX);
      }
      continue;
    }
    const spans = tiles === undefined ? 1 : (tiles[image] ?? 0);
    if (!Number.isInteger(spans) || spans < 1)
      throw new KdError(
        "KD_DATA",
        `conversation ${conversation.id}: expected a whole number of tiles for image ${image}, got ${tiles?.[image]}; give one an image`,
      );
    const length = typeof imageTokens === "number" ? imageTokens : imageTokens[image];
    if (length === undefined)
      throw new KdError(
        "KD_DATA",
        `conversation ${conversation.id}: expected the visual tokens of image ${image}, got those of ${(imageTokens as readonly number[]).length} images; give one number an image`,
      );
    image++;
    const room = (maxLength ?? Number.POSITIVE_INFINITY) - inputIds.length;
    if (spans * length > room && !prompt) break;
    for (let n = 0; n < spans; n++) {
      imageSpans.push({ start: inputIds.length, length });
      for (let t = 0; t < length; t++) {
        inputIds.push(imageTokenId);
        labels.push(IGNORE_INDEX);
      }
    }
  }
  if (maxLength === undefined || inputIds.length <= maxLength) return { inputIds, labels, imageSpans };
  if (prompt)
    throw new KdError(
      "KD_DATA",
      `conversation ${conversation.id}: expected a prompt of at most ${maxLength} tokens, got ${inputIds.length}; leave out earlier turns or images`,
    );
  return { inputIds: inputIds.slice(0, maxLength), labels: labels.slice(0, maxLength), imageSpans };
}
