/** How a conversation becomes text; define your own record for another prompt format. */
export interface Template {
  /** For logs and errors. */
  readonly name: string;
  /** Written once, before the first question. */
  readonly system: string;
  /** Written before a question. */
  readonly user: string;
  /** Written after a question; a prompt to generate from ends here. */
  readonly assistant: string;
  /** Supervised text between prompt and answer. */
  readonly beforeAnswer: string;
  /** Supervised text after an answer, usually the EOS token. */
  readonly afterAnswer: string;
  /** Written after every answer, not supervised. @defaultValue "" */
  readonly separator?: string;
  /** Keep only the image tags of a question. Default false. */
  readonly dropQuestion?: boolean;
}

function chat(name: string, afterAnswer: string): Template {
  return {
    name,
    system:
      "A chat between a curious user and an artificial intelligence assistant. The assistant gives helpful, detailed, and polite answers to the user's questions. ",
    user: "USER: ",
    assistant: " ASSISTANT:",
    beforeAnswer: " ",
    afterAnswer,
  };
}

/** Names of {@link templates}. */
export type TemplateName = "pretrain" | "phi" | "qwen2_base" | "qwen2_instruct" | "llama" | "gemma" | "chatml";

/** The templates of the LLaVA family, by name, and ChatML as Qwen's own chat template writes it. */
export const templates: Readonly<Record<TemplateName, Template>> = {
  pretrain: {
    name: "pretrain",
    system: "",
    user: "",
    assistant: "",
    beforeAnswer: "",
    afterAnswer: "\n",
    dropQuestion: true,
  },
  phi: chat("phi", "<|endoftext|>"),
  qwen2_base: chat("qwen2_base", "<|endoftext|>"),
  qwen2_instruct: chat("qwen2_instruct", "<|im_end|>"),
  llama: chat("llama", "</s>"),
  gemma: chat("gemma", "<eos>"),
  chatml: {
    name: "chatml",
    system: "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n",
    user: "<|im_start|>user\n",
    assistant: "<|im_end|>\n<|im_start|>assistant\n",
    beforeAnswer: "",
    afterAnswer: "<|im_end|>",
    separator: "\n",
  },
};
