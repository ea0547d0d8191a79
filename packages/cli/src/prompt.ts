import { Template as Jinja } from "@huggingface/jinja";
import { KdError } from "@kd/contract";
import { type Template, templates } from "@kd/data";
import { contentOf, type TextFiles } from "./text-files.ts";

/** One turn of a talk. */
export interface Message {
  readonly role: "user" | "assistant";
  readonly content: string;
  /** Pictures that the turn shows, in front of its text. */
  readonly images?: number;
}

const TAG = "<image>";

/** The templates by name, as `--template` and a training configuration take them. */
export type TemplateName = keyof typeof templates;

/** What a model reads before it answers; a picture's place is `<image>`. `raw` is for a prompt that is written out already. */
export function promptText(messages: readonly Message[], text: TextFiles, template?: TemplateName): string {
  if (template !== undefined) return byRecord(messages, templates[template]);
  if (text.chatTemplate === undefined)
    throw new KdError(
      "KD_CONFIG",
      `prompt: the model folder has no chat template; choose a --template (${Object.keys(templates).join(", ")}) or give the whole prompt with --raw`,
    );
  const images = messages.reduce((sum, message) => sum + (message.images ?? 0), 0);
  // Some templates write the picture's place themselves, some take it from parts of the content, some from the text.
  const written = [plain, parts, tagged].map((content) =>
    render(
      text,
      messages.map((message) => ({ role: message.role, content: content(message) })),
    ),
  );
  const fits = (prompt: string | undefined): boolean =>
    prompt !== undefined &&
    count(prompt) === images &&
    messages.every(({ content }) => prompt.includes(content.trim()));
  const prompt = written.find(fits);
  if (prompt !== undefined) return prompt;
  throw new KdError(
    "KD_CONFIG",
    `prompt: expected every turn and ${images} ${TAG} from the model's chat template, got ${written.map((prompt) => (prompt === undefined ? "an error" : count(prompt))).join(", ")}; choose a --template or give the whole prompt with --raw`,
  );
}

const count = (text: string): number => text.split(TAG).length - 1;
const plain = ({ content }: Message): string => content;
const tagged = ({ content, images = 0 }: Message): string => `${TAG}\n`.repeat(images) + content;
const parts = ({ content, images = 0 }: Message): object[] => [
  ...Array.from({ length: images }, () => ({ type: "image" })),
  { type: "text", text: content },
];

function render(
  { tokenizerConfig: config, chatTemplate = "" }: TextFiles,
  messages: readonly object[],
): string | undefined {
  try {
    return new Jinja(chatTemplate).render({
      messages,
      add_generation_prompt: true,
      bos_token: contentOf(config.bos_token),
      eos_token: contentOf(config.eos_token),
    });
  } catch {
    return undefined; // not in this form
  }
}

/** As `encodeConversation` writes it, so that a student is asked as it was trained. */
function byRecord(messages: readonly Message[], template: Template): string {
  const { system, user, assistant, beforeAnswer, afterAnswer, dropQuestion } = template;
  return messages.reduce(
    (text, message) =>
      text +
      (message.role === "user"
        ? user + (dropQuestion ? TAG.repeat(message.images ?? 0) : tagged(message)) + assistant
        : beforeAnswer + message.content + afterAnswer),
    system,
  );
}

/** The same as Jinja, for the folder of a student that was trained with it. */
export function chatTemplateOf({ system, user, assistant, beforeAnswer, afterAnswer }: Template): string {
  const quoted = (text: string): string => `{{ ${JSON.stringify(text)} }}`;
  return `${system === "" ? "" : quoted(system)}{% for message in messages %}{% if message['role'] == 'user' %}${quoted(user)}{% if message['content'] is string %}{{ message['content'] }}{% else %}{% for part in message['content'] %}{% if part['type'] == 'image' %}{{ '<image>\\n' }}{% else %}{{ part['text'] }}{% endif %}{% endfor %}{% endif %}${quoted(assistant)}{% else %}${quoted(beforeAnswer)}{{ message['content'] if message['content'] is string else message['content'][0]['text'] }}${quoted(afterAnswer)}{% endif %}{% endfor %}`;
}
