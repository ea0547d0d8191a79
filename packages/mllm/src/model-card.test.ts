import { expect, it } from "vitest";
import { tinyConfig } from "../test/tiny-llava.ts";
import { modelCard } from "./index.ts";

/** What is between the two lines of dashes; every line is a key and JSON, which is YAML. */
function metadataOf(card: string): Record<string, unknown> {
  const [, front = ""] = card.split("---\n");
  return Object.fromEntries(
    front
      .trimEnd()
      .split("\n")
      .map((line) => [line.slice(0, line.indexOf(":")), JSON.parse(line.slice(line.indexOf(":") + 1))]),
  );
}

it("says what is known in metadata and text", () => {
  const card = modelCard(tinyConfig, {
    name: 'a "small" student: 1',
    license: "apache-2.0",
    baseModels: ["org/slm", "org/tower"],
    teacher: "org/teacher",
    datasets: ["org/pictures"],
    training: "DPT, SFT, DFT with preset `paper`.",
    results: [{ dataset: "VQA", metric: "accuracy", value: 59.5, control: 54.3, teacher: 66.6 }],
    limits: ["English only."],
    tags: ["tiny"],
  });
  expect(metadataOf(card)).toEqual({
    license: "apache-2.0",
    library_name: "transformers",
    pipeline_tag: "image-text-to-text",
    base_model: ["org/slm", "org/tower"],
    datasets: ["org/pictures"],
    tags: ["llava", "vision-language-model", "knowledge-distillation", "tiny"],
    metrics: ["accuracy"],
    "model-index": [
      {
        name: 'a "small" student: 1',
        results: [
          {
            task: { type: "image-text-to-text" },
            dataset: { name: "VQA", type: "VQA" },
            metrics: [{ type: "accuracy", value: 59.5 }],
          },
        ],
      },
    ],
  });
  expect(card).toContain("| VQA | accuracy | 59.5 | 54.3 | 66.6 |");
  for (const text of [
    "## Teacher\n\norg/teacher",
    "- org/pictures",
    "- English only.",
    "4 tokens an image",
    "from_pretrained",
  ])
    expect(card).toContain(text);
});

it("invents nothing", () => {
  const card = modelCard(tinyConfig, { name: "x" });
  expect(Object.keys(metadataOf(card))).toEqual(["library_name", "pipeline_tag", "tags"]);
  for (const text of ["Not measured.", "None named.", "Not named."]) expect(card).toContain(text);
  expect(card).not.toContain("Base models");
});
