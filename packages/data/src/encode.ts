import { IGNORE_INDEX, KdError } from "@kd/contract";
import type { Conversation } from "./conversation.ts";
import type { Template } from "./template.ts";
import type { TextTokenizer } from "./tokenizer.ts";

const TAG = "<image>";

/** One encoded conversation; `labels` are unshifted. */
export interface Sample {
  readonly inputIds: readonly number[];
  /** As many as ids; −100 where nothing is supervised. */
  readonly labels: readonly number[];
  /** One an image, in order. */
  readonly imageSpans: readonly { readonly start: number; readonly length: number }[];
}

function questionText(question: string, template: Template): string {
  const tags = question.split(TAG).length - 1;
  if (template.dropQuestion) return TAG.repeat(tags);
  return tags === 0 ? question : (`${TAG}\n`.repeat(tags) + question.replaceAll(TAG, "").trim()).trim();
}

/** Encodes segment by segment, so that supervision is exactly answer and EOS. Each tag becomes `imageTokens` copies of `imageTokenId`. */
export function encodeConversation(
  conversation: Conversation,
  options: {
    tokenizer: TextTokenizer;
    template: Template;
    imageTokenId: number;
    imageTokens: number;
    /** Stop before the last answer, as a prompt to generate from. Default false. */
    prompt?: boolean;
  },
): Sample {
  const { tokenizer, template, imageTokenId, imageTokens, prompt: promptOnly = false } = options;
  const inputIds: number[] = [];
  const labels: number[] = [];
  const imageSpans: { start: number; length: number }[] = [];
  const write = (text: string, supervised: boolean): void => {
    for (const id of text === "" ? [] : tokenizer.encode(text)) {
      inputIds.push(id);
      labels.push(supervised ? id : IGNORE_INDEX);
    }
  };
  let prompt = template.system;
  for (const [round, { question, answer }] of conversation.rounds.entries()) {
    if (answer.includes(TAG))
      throw new KdError(
        "KD_DATA",
        `conversation ${conversation.id}: expected no ${TAG} in an answer; move it to the question`,
      );
    prompt += template.user + questionText(question, template) + template.assistant;
    prompt.split(TAG).forEach((text, i) => {
      if (i > 0) {
        imageSpans.push({ start: inputIds.length, length: imageTokens });
        for (let n = 0; n < imageTokens; n++) {
          inputIds.push(imageTokenId);
          labels.push(IGNORE_INDEX);
        }
      }
      write(text, false);
    });
    if (promptOnly && round === conversation.rounds.length - 1) break;
    write(template.beforeAnswer + answer + template.afterAnswer, true);
    prompt = "";
  }
  if (imageSpans.length !== conversation.images.length)
    throw new KdError(
      "KD_DATA",
      `conversation ${conversation.id}: expected one ${TAG} an image, got ${imageSpans.length} tags and ${conversation.images.length} images; add or remove tags`,
    );
  return { inputIds, labels, imageSpans };
}
