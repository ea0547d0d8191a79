import { KdError } from "@kd/contract";
import { encodeConversation, type Sample, type Template, type TemplateName, templates } from "@kd/data";
import { loadChatTemplate } from "@kd/data/node";
import type { TextFiles } from "./text-files.ts";

export type { TemplateName } from "@kd/data";

/** One turn of a talk. */
export interface Message {
  readonly role: "user" | "assistant";
  readonly content: string;
  /** Pictures that the turn shows: where it says `<image>`, else in front of its text. */
  readonly images?: number;
}

/** What a model reads before it answers. */
export type Prompt = Pick<Sample, "inputIds" | "imageSpans">;

/** What a prompt depends on: the model's text files and, where it sees, what stands for a picture. */
export interface PromptModel {
  readonly text: TextFiles;
  readonly vision?: {
    readonly model: { readonly config: { readonly image_token_index: number } };
    readonly processor: { readonly tokens: number };
  };
  /** Visual tokens of each picture, where they differ. @defaultValue the processor's */
  readonly imageTokens?: readonly number[];
}

const TAG = "<image>";

/** A talk by the model's own chat template or by one of @kd/data's, encoded as in training. Throws `KD_CONFIG`, `KD_DATA`. */
export async function promptOf(
  messages: readonly Message[],
  { text, vision, imageTokens }: PromptModel,
  name?: TemplateName,
): Promise<Prompt> {
  const template = name === undefined ? await loadChatTemplate(text.folder, text) : templates[name];
  if (template === undefined)
    throw new KdError(
      "KD_CONFIG",
      `prompt: the model folder has no chat template; choose a --template (${Object.keys(templates).join(", ")}) or give the whole prompt with --raw`,
    );
  const rounds: { question: string; answer: string }[] = [];
  for (const message of messages) {
    if (message.role === "user") rounds.push({ question: withTags(message), answer: "" });
    else (rounds.at(-1) as { answer: string }).answer = message.content;
  }
  const images = messages.flatMap((message) => Array<string>(message.images ?? 0).fill(""));
  return encodeConversation(
    { id: "of the prompt", images, rounds },
    {
      tokenizer: text.tokenizer,
      template,
      imageTokenId: vision?.model.config.image_token_index ?? 0,
      imageTokens: imageTokens ?? vision?.processor.tokens ?? 1,
      prompt: true,
    },
  );
}

function withTags({ content, images = 0 }: Message): string {
  return content.split(TAG).length - 1 === images ? content : `${TAG}\n`.repeat(images) + content;
}

/** A prompt that is written out already, encoded as Hugging Face's `tokenizer(prompt)`: BOS first where the tokenizer adds one. */
export function rawPrompt(written: string, images: number, { text, vision, imageTokens }: PromptModel): Prompt {
  const segments = written.split(TAG);
  if (segments.length - 1 !== images)
    throw new KdError(
      "KD_DATA",
      `prompt: expected ${images} ${TAG}, one a picture, got ${segments.length - 1}; write it where the picture belongs`,
    );
  const { prefixIds, encodeParts } = text.tokenizer;
  const parts = segments.flatMap((segment, i) => (i === 0 ? [segment] : [null, segment]));
  const inputIds = [...prefixIds];
  const imageSpans: Prompt["imageSpans"][number][] = [];
  for (const [i, ids] of encodeParts(parts).entries()) {
    inputIds.push(...ids);
    if (parts[i] !== null || vision === undefined) continue;
    const length = imageTokens?.[imageSpans.length] ?? vision.processor.tokens;
    imageSpans.push({ start: inputIds.length, length });
    inputIds.push(...Array<number>(length).fill(vision.model.config.image_token_index));
  }
  return { inputIds, imageSpans };
}

/** A template as Jinja, for the folder of a student that was trained with it. `first` starts every text: chat templates write BOS themselves. */
export function chatTemplateOf(template: Template, first = ""): string {
  const { system, user, assistant, beforeAnswer, afterAnswer, separator = "" } = template;
  const quoted = (text: string): string => (text === "" ? "" : `{{ ${JSON.stringify(text)} }}`);
  return `${quoted(first + system)}{% for message in messages %}{% if message['role'] == 'user' %}${quoted(user)}{% if message['content'] is string %}{{ message['content'] }}{% else %}{% for part in message['content'] %}{% if part['type'] == 'image' %}{{ '<image>\\n' }}{% else %}{{ part['text'] }}{% endif %}{% endfor %}{% endif %}${quoted(assistant)}{% else %}${quoted(beforeAnswer)}{{ message['content'] if message['content'] is string else message['content'][0]['text'] }}${quoted(afterAnswer + separator)}{% endif %}{% endfor %}`;
}
