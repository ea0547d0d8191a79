import { TEST_VENDORS, TRAIN_VENDORS } from "../data/vendors.ts";
import { CONTROL, STUDENT } from "./schemes.ts";
import type { Summary } from "./summary.ts";

/** README.md of the student's folder, with the metadata that Hugging Face reads. */
export function modelCard({ scores, floors, paired, quick }: Summary): string {
  const { teacher, control, student } = scores;
  const tasks = ["name", "group", "kind", "colour", "presence", "count"];
  const row = (name: string, s: { macro: number; tasks: Readonly<Record<string, number>> }): string =>
    `| ${[name, s.macro.toFixed(1), ...tasks.map((task) => s.tasks[task]?.toFixed(1) ?? "–")].join(" | ")} |`;
  return `---
license: mit
library_name: transformers
pipeline_tag: image-text-to-text
tags: [knowledge-distillation, llava, emoji]
model-index:
  - name: emoji student
    results:
      - task: { type: image-text-to-text }
        dataset: { name: emoji drawings of an unseen vendor, type: emoji }
        metrics: [{ type: exact_match, name: macro, value: ${student.macro.toFixed(1)} }]
---

# Emoji student

A vision-language model of 0.6 M parameters (tower 0.45 M, language model and projector 0.17 M), distilled in three stages (${STUDENT}) from a
teacher of 1.4 M, after LLaVA-KD (arXiv 2410.16236).${quick ? " **Made by a quick run: far too short a training to be of use.**" : ""}

| percent right | macro | ${tasks.join(" | ")} |
|---|${"---|".repeat(tasks.length + 1)}
${[row("teacher", teacher), row(`this model (${STUDENT})`, student), row(`control (${CONTROL}, same passes, no teacher)`, control), row("blind", floors.blind), row("majority", floors.majority)].join("\n")}

Macro is the mean of name, group, kind, colour and presence, exact match, on known concepts drawn by ${TEST_VENDORS[0]}, which no part was trained on.
Student minus control: ${paired.mean.toFixed(1)}${paired.deviation === undefined ? " (one seed)" : ` ± ${paired.deviation.toFixed(1)} over ${paired.differences.length} seeds`}.

## Data

Emoji drawings of ${TRAIN_VENDORS.join(", ")} (Apache-2.0 and CC-BY-4.0; attribution: Google Noto Emoji; Twitter Twemoji; EmojiOne 2; Mozilla FxEmojis), with labels
and tags of emojibase (MIT). 48×48 pixels on white.

## Limits

It knows about 570 things by 830 words, answers the question kinds it was trained on, in lower case, and should be used for nothing but learning how
distillation works. Unseen concepts are named wrongly.
`;
}
