import type { LlavaConfig } from "./config.ts";
import { explainVisualTokens, visualTokens } from "./visual-tokens.ts";

/** One measured number; the distilled model's beside its control's and its teacher's. */
export interface ModelCardResult {
  /** Such as "TextVQA". */
  readonly dataset: string;
  /** Such as "accuracy". */
  readonly metric: string;
  readonly value: number;
  /** The same student without distillation, with as many passes over the data. */
  readonly control?: number;
  readonly teacher?: number;
}

/** What a card says beyond the model's own configuration; what is not known is left out, never guessed. */
export interface ModelCard {
  readonly name: string;
  /** Of the weights, as Hugging Face abbreviates it: "apache-2.0"; `other` where it has no name. */
  readonly license?: string;
  /** Hub ids of the parts it was made of: language model and vision tower. */
  readonly baseModels?: readonly string[];
  /** The teacher's hub id or description. */
  readonly teacher?: string;
  /** Hub ids of data sets. */
  readonly datasets?: readonly string[];
  /** How it was trained, in Markdown. */
  readonly training?: string;
  readonly results?: readonly ModelCardResult[];
  /** What it cannot do, a sentence each. */
  readonly limits?: readonly string[];
  readonly tags?: readonly string[];
}

const LIMITS = [
  "It makes things up, in pictures and in text; check what matters.",
  "It has its data's and its teacher's faults, and was not tested for safety.",
];

/** A model's `README.md` with Hugging Face's metadata in front: the card that a saved folder carries. */
export function modelCard(config: LlavaConfig, card: ModelCard): string {
  const { name, teacher, training, results = [], limits = [], datasets = [], baseModels = [] } = card;
  const sections = [
    `---\n${metadata(card)}---`,
    `# ${name}`,
    `A vision-language model of the LLaVA family: ${describe(config)}.`,
    section("Teacher", teacher ?? "None named."),
    section("Data", list(datasets) || "Not named."),
    section("Base models", list(baseModels)),
    section("Training", training ?? ""),
    section("Results", table(results)),
    section("Limits", list([...limits, ...LIMITS])),
    section("Loading it", LOADING),
  ];
  return `${sections.filter((text) => text !== "").join("\n\n")}\n`;
}

/** JSON is YAML, and quotes what a name may hold. */
function metadata({
  name,
  license,
  baseModels = [],
  datasets = [],
  tags = [],
  teacher,
  results = [],
}: ModelCard): string {
  const own = ["llava", "vision-language-model", ...(teacher === undefined ? [] : ["knowledge-distillation"])];
  const model = {
    name,
    results: results.map(({ dataset, metric, value }) => ({
      task: { type: "image-text-to-text" },
      dataset: { name: dataset, type: dataset },
      metrics: [{ type: metric, value }],
    })),
  };
  const fields: [string, unknown][] = [
    ["license", license],
    ["library_name", "transformers"],
    ["pipeline_tag", "image-text-to-text"],
    ["base_model", baseModels],
    ["datasets", datasets],
    ["tags", [...new Set([...own, ...tags])]],
    ["metrics", [...new Set(results.map(({ metric }) => metric))]],
    ["model-index", results.length > 0 ? [model] : []],
  ];
  return fields
    .filter(([, value]) => value !== undefined && !(Array.isArray(value) && value.length === 0))
    .map(([key, value]) => `${key}: ${JSON.stringify(value)}\n`)
    .join("");
}

function describe(config: LlavaConfig): string {
  const { vision_config: vision, text_config: text, vision_feature_layer: layer } = config;
  return [
    `tower \`${vision.model_type}\` (${vision.num_hidden_layers} layers of ${vision.hidden_size}, ${vision.image_size} pixels), feature layer ${JSON.stringify(layer)}`,
    `${visualTokens(config)} tokens an image (${explainVisualTokens(config)})`,
    `a decoder of ${text.num_hidden_layers} layers of ${text.hidden_size} with ${text.vocab_size} token rows`,
  ].join("; ");
}

const section = (title: string, text: string): string => (text === "" ? "" : `## ${title}\n\n${text}`);
const list = (lines: readonly string[]): string => lines.map((line) => `- ${line}`).join("\n");

function table(results: readonly ModelCardResult[]): string {
  if (results.length === 0) return "Not measured.";
  const cell = (value: number | undefined) => (value === undefined ? "–" : String(value));
  const rows = results.map(
    (r) => `| ${r.dataset} | ${r.metric} | ${cell(r.value)} | ${cell(r.control)} | ${cell(r.teacher)} |`,
  );
  return [
    "| data set | metric | this model | control without distillation | teacher |",
    "|---|---|---|---|---|",
    ...rows,
  ].join("\n");
}

const LOADING = `\`\`\`py
from transformers import LlavaForConditionalGeneration
model = LlavaForConditionalGeneration.from_pretrained("path/to/this/folder")
\`\`\`

\`\`\`ts
import { loadLlava } from "@kd/mllm/node";
const model = await loadLlava("path/to/this/folder");
\`\`\``;
