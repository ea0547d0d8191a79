import { KdError } from "@kd/contract";
import type { ChatTemplate } from "./chat-template.ts";
import { renderConversation } from "./render.ts";
import type { Template } from "./template.ts";
import type { TextTokenizer } from "./tokenizer.ts";

/**
 * Ids that end an answer of this template, for generation: one, or none where answers end with a blank, as captions of `pretrain`.
 * Throws `KD_CONFIG` where the end is not one token, which is the sign of another model's template.
 */
export function stopTokenIds(template: Template | ChatTemplate, tokenizer: TextTokenizer): number[] {
  const rounds = [{ question: "q", answer: "\u{f0000}" }];
  const parts = renderConversation({ id: "stop", images: [], rounds }, template);
  const end =
    parts
      .findLast(({ supervised }) => supervised)
      ?.text?.split("\u{f0000}")
      .at(-1)
      ?.trim() ?? "";
  const ids = end === "" ? [] : tokenizer.encode(end);
  if (ids.length > 1)
    throw new KdError(
      "KD_CONFIG",
      `template ${template.name}: expected the end of an answer, "${end}", to be one token, got ${ids.length}; choose the template of this tokenizer`,
    );
  return ids;
}
