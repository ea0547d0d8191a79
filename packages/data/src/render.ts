import { KdError } from "@kd/contract";
import type { ChatTemplate } from "./chat-template.ts";
import type { Conversation } from "./conversation.ts";
import { renderChat } from "./render-chat.ts";
import { promptParts, type RenderedPart, TAG, tagsIn, withoutTags } from "./rendered-part.ts";
import type { Template } from "./template.ts";

function questionText(question: string, { dropQuestion = false }: { dropQuestion?: boolean | undefined }): string {
  const tags = tagsIn(question);
  if (dropQuestion) return TAG.repeat(tags);
  return tags === 0 ? question : (`${TAG}\n`.repeat(tags) + withoutTags(question)).trim();
}

function renderTemplate(
  { rounds }: Conversation,
  template: Template,
  { prompt }: { readonly prompt: boolean },
): RenderedPart[] {
  const parts: RenderedPart[] = [];
  let before = template.system;
  for (const [i, { question, answer }] of rounds.entries()) {
    before += template.user + questionText(question, template) + template.assistant;
    parts.push(...promptParts(before, TAG));
    before = template.separator ?? "";
    if (prompt && i === rounds.length - 1) return parts;
    parts.push({ text: template.beforeAnswer + answer + template.afterAnswer, supervised: true });
  }
  return [...parts, ...promptParts(before, TAG)];
}

/** A conversation as text in parts: what is supervised, what is not, and images. Throws `KD_DATA` for tags that do not fit the images. */
export function renderConversation(
  conversation: Conversation,
  template: Template | ChatTemplate,
  { prompt = false }: { readonly prompt?: boolean } = {},
): RenderedPart[] {
  const { id, images, rounds } = conversation;
  if (rounds.some(({ answer }) => answer.includes(TAG)))
    throw new KdError("KD_DATA", `conversation ${id}: expected no ${TAG} in an answer; move it to the question`);
  const parts =
    "render" in template
      ? renderChat(conversation, template, { prompt })
      : renderTemplate(conversation, template, { prompt });
  const tags = parts.filter(({ text }) => text === null).length;
  if (tags !== images.length)
    throw new KdError(
      "KD_DATA",
      `conversation ${id}: expected one ${TAG} an image, got ${tags} tags and ${images.length} images; add or remove tags`,
    );
  return parts;
}
