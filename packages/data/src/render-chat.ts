import { KdError } from "@kd/contract";
import type { ChatMessage, ChatTemplate } from "./chat-template.ts";
import type { Conversation } from "./conversation.ts";
import { promptParts, type RenderedPart, tagsIn, withoutTags } from "./rendered-part.ts";

/** What stands for answer i while the template's own text around answers is looked for: two private characters. */
const marker = (i: number): string => `\u{f0000}${i}\u{f0001}`;

/** What templates do to an answer's ends. */
const trims: readonly ((answer: string) => string)[] = [
  (answer) => answer,
  (answer) => answer.trim(),
  (answer) => answer.trimStart(),
  (answer) => answer.trimEnd(),
  (answer) => answer.replace(/^\n+/, ""),
];

function messagesOf({ rounds }: Conversation, { parts, system, imageTag }: ChatTemplate): ChatMessage[] {
  const content = (text: string, images: number): ChatMessage["content"] => {
    if (!parts) return images === 0 ? text : (`${imageTag}\n`.repeat(images) + text).trim();
    return [...Array.from({ length: images }, () => ({ type: "image" as const })), { type: "text", text }];
  };
  const first: ChatMessage[] = system === undefined ? [] : [{ role: "system", content: content(system, 0) }];
  return [
    ...first,
    ...rounds.flatMap(({ question, answer }): ChatMessage[] => [
      { role: "user", content: content(withoutTags(question), tagsIn(question)) },
      { role: "assistant", content: parts ? [{ type: "text", text: answer }] : answer },
    ]),
  ];
}

/**
 * Renders the conversation, and once more with markers in the place of answers: what is around the markers is the template's. Supervised are
 * answers as the template writes them, the end mark (what follows the last answer, but blanks), and blanks between generation prompt and answer.
 */
export function renderChat(
  conversation: Conversation,
  template: ChatTemplate,
  { prompt }: { readonly prompt: boolean },
): RenderedPart[] {
  const { rounds, id } = conversation;
  const messages = messagesOf(conversation, template);
  if (prompt) return promptParts(template.render(messages.slice(0, -1), { generationPrompt: true }), template.imageTag);
  const marked = messagesOf(
    { ...conversation, rounds: rounds.map(({ question }, i) => ({ question, answer: marker(i) })) },
    template,
  );
  const whole = template.render(messages);
  const refuse = (what: string): KdError =>
    new KdError(
      "KD_CONFIG",
      `${template.name}: expected a template that cuts into prompts and answers, got ${what} (conversation ${id}); choose a built-in template`,
    );
  const around: string[] = [];
  let rest = template.render(marked);
  for (const i of rounds.keys()) {
    const [before, after, ...more] = rest.split(marker(i));
    if (before === undefined || after === undefined || more.length > 0)
      throw refuse(`answer ${i + 1} not exactly once in the text`);
    around.push(before);
    rest = after;
  }
  around.push(rest);
  const end = rest.trimEnd() || rest;
  const before = around.slice(0, -1).map((text, i) => text + (i < rounds.length - 1 ? marker(i) : ""));
  const opened = template.render(marked.slice(0, -1), { generationPrompt: true });
  const gap = before.join("").startsWith(opened) ? before.join("").slice(opened.length) : "";
  const blanks = gap.trim() === "" ? gap : "";

  const parts: RenderedPart[] = [];
  let at = 0; // in the whole
  let prefix = around[0] as string;
  for (const [i, { answer }] of rounds.entries()) {
    const after = around[i + 1] as string;
    const said = trims.map((trim) => trim(answer)).find((text) => whole.startsWith(prefix + text + after, at));
    if (said === undefined) throw refuse(`text around answer ${i + 1} that depends on the answers`);
    if (!after.startsWith(end)) throw refuse(`another end of answer ${i + 1} than of the last`);
    const lead = prefix.endsWith(blanks) ? blanks : "";
    parts.push(...promptParts(prefix.slice(0, prefix.length - lead.length), template.imageTag));
    parts.push({ text: lead + said + end, supervised: true });
    at += prefix.length + said.length + end.length;
    prefix = after.slice(end.length);
  }
  return [...parts, ...promptParts(prefix, template.imageTag)];
}
