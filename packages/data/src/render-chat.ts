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

/** The text before, between and after the markers of the first `count` answers; undefined unless each is there once, in order. */
function around(text: string, count: number): string[] | undefined {
  const pieces: string[] = [];
  let rest = text;
  for (let i = 0; i < count; i++) {
    const [before, after, ...more] = rest.split(marker(i));
    if (before === undefined || after === undefined || more.length > 0) return undefined;
    pieces.push(before);
    rest = after;
  }
  return [...pieces, rest];
}

/** Cuts `whole` into prompts and answers, or says why that cannot be done. */
function cut(
  whole: string,
  answers: readonly string[],
  { pieces, blanks, end, imageTag }: { pieces: readonly string[]; blanks: string; end: string; imageTag: string },
): RenderedPart[] | string {
  const parts: RenderedPart[] = [];
  let at = 0;
  let before = pieces[0] as string;
  for (const [i, answer] of answers.entries()) {
    const after = pieces[i + 1] as string;
    const said = trims.map((trim) => trim(answer)).find((text) => whole.startsWith(before + text + after, at));
    if (said === undefined) return `text around answer ${i + 1} that depends on the answers`;
    if (!after.startsWith(end)) return `another end of answer ${i + 1} than of the last`;
    const lead = before.endsWith(blanks) ? blanks : "";
    parts.push(...promptParts(before.slice(0, before.length - lead.length), imageTag));
    parts.push({ text: lead + said + end, supervised: true });
    at += before.length + said.length + end.length;
    before = after.slice(end.length);
  }
  return [...parts, ...promptParts(before, imageTag)];
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
  const { imageTag } = template;
  const messages = messagesOf(conversation, template);
  const marked = messagesOf(
    { ...conversation, rounds: rounds.map(({ question }, i) => ({ question, answer: marker(i) })) },
    template,
  );
  const whole = prompt ? template.render(messages.slice(0, -1), { generationPrompt: true }) : template.render(messages);
  const closed = template.render(marked);
  const opened = template.render(marked.slice(0, -1), { generationPrompt: true });
  const pieces = around(closed, rounds.length);
  const asked = prompt ? around(opened, rounds.length - 1) : pieces;
  const tail = pieces?.at(-1) ?? "";
  const head = closed.slice(0, closed.indexOf(marker(rounds.length - 1)));
  const gap = head.startsWith(opened) ? head.slice(opened.length) : "";
  const answers = rounds.map(({ answer }) => answer).slice(0, prompt ? -1 : undefined);
  const options = { blanks: gap.trim() === "" ? gap : "", end: tail.trimEnd() || tail, imageTag };
  const parts =
    asked === undefined
      ? "an answer that is not exactly once in the text"
      : cut(whole, answers, { ...options, pieces: asked });
  if (typeof parts !== "string") return parts;
  if (prompt) return promptParts(whole, imageTag); // to generate, nothing has to be told apart
  throw new KdError(
    "KD_CONFIG",
    `${template.name}: expected a template that cuts into prompts and answers, got ${parts} (conversation ${id}); choose a built-in template`,
  );
}
