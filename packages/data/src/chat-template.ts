import { Template as Jinja } from "@huggingface/jinja";
import { KdError } from "@kd/contract";

/** A message's content in parts, as processors of multimodal models take it. */
export type ContentPart = { readonly type: "image" } | { readonly type: "text"; readonly text: string };

/** One turn as chat templates take it. */
export interface ChatMessage {
  readonly role: "system" | "user" | "assistant";
  readonly content: string | readonly ContentPart[];
}

/** A Hugging Face `chat_template`, ready to render. */
export interface ChatTemplate {
  /** For logs and errors. */
  readonly name: string;
  /** How the template writes an image. */
  readonly imageTag: string;
  /** Whether content goes in as parts; else as one text with the tags in front. */
  readonly parts: boolean;
  /** Written first as a system turn; undefined leaves that to the template. */
  readonly system?: string | undefined;
  render(messages: readonly ChatMessage[], options?: { readonly generationPrompt?: boolean }): string;
}

/** How {@link createChatTemplate} renders. */
export interface ChatTemplateOptions {
  /** @defaultValue "chat_template" */
  readonly name?: string;
  /** `bos_token` in the template. @defaultValue "" */
  readonly bosToken?: string | undefined;
  /** `eos_token` in the template. @defaultValue "" */
  readonly eosToken?: string | undefined;
  /** A system turn before the first question. @defaultValue none: what the template writes by itself */
  readonly system?: string | undefined;
  /** How the template writes an image. @defaultValue "<image>" */
  readonly imageTag?: string;
  /** Content as parts or as one text. @defaultValue parts where the template speaks of "image" */
  readonly parts?: boolean;
  /** Further variables, such as `tools`, `date_string` or `enable_thinking`. A template that writes today's date trains on it: fix it here. */
  readonly variables?: Readonly<Record<string, unknown>>;
}

/**
 * Reads the source of a `chat_template`. It runs in an interpreter without access to anything but its variables.
 * A template that cannot be parsed throws `KD_CONFIG`; one that refuses the messages `KD_DATA`.
 */
export function createChatTemplate(source: string, options: ChatTemplateOptions = {}): ChatTemplate {
  const {
    name = "chat_template",
    bosToken = "",
    eosToken = "",
    imageTag = "<image>",
    variables = {},
    system,
  } = options;
  const parse = (): Jinja => {
    try {
      return new Jinja(source);
    } catch (cause) {
      throw new KdError(
        "KD_CONFIG",
        `${name}: expected a Jinja template, got ${String(cause)}; correct it or choose a built-in template`,
        { cause },
      );
    }
  };
  const jinja = parse();
  return {
    name,
    imageTag,
    system,
    parts: options.parts ?? /["']image["']/.test(source),
    render: (messages, { generationPrompt = false } = {}) => {
      try {
        return jinja.render({
          ...variables,
          bos_token: bosToken,
          eos_token: eosToken,
          messages,
          add_generation_prompt: generationPrompt,
        });
      } catch (cause) {
        throw new KdError(
          "KD_DATA",
          `${name}: expected messages that the template accepts (${messages.map((m) => m.role).join(", ")}), got ${String(cause)}; change the messages or choose another template`,
          { cause },
        );
      }
    },
  };
}
