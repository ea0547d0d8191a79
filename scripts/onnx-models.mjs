// Folders for scripts/check-transformers-js.mjs: the golden LLaVA models with what they lack, and the recipe's trained teacher.
import { cpSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { openGallery, picturesIn } from "../examples/emoji-recipe/dist/data/gallery.js";
import { PIXELS } from "../examples/emoji-recipe/dist/data/rasterise.js";
import { assembleModel, assetPath } from "../examples/emoji-recipe/dist/model/assets.js";
import { EOS_ID, openText, PAD_ID } from "../examples/emoji-recipe/dist/model/text.js";
import { saveLlava } from "../packages/mllm/dist/node/index.js";
import { root } from "./tools-folder.mjs";

const WORDS = "<pad> <eos> user assistant : what is in the picture ?".split(" ");
const SPECIAL = { single_word: false, lstrip: false, rstrip: false, normalized: false, special: true };

/**
 * Writes the folders under `work`: a name, a question, a picture's RGB levels (side², three each) and how it is
 * exported. The trained model's weights go to files beside the graphs.
 */
export async function onnxModels(work) {
  const goldens = join(root, "goldens/data/models");
  const models = [];
  for (const name of readdirSync(goldens).filter((entry) => entry.startsWith("llava_"))) {
    const folder = join(work, name);
    cpSync(join(goldens, name), folder, { recursive: true });
    const side = addFiles(folder);
    const levels = Uint8Array.from(
      { length: side * side * 3 },
      (_, i) => (i * 37 + (i % 3) * 90 + (i >> 4) * 11) % 256,
    );
    models.push({ name, folder, side, levels, question: "what is in the picture ?", options: {} });
  }
  const trained = await trainedModel(work);
  return [...models, trained, { ...trained, name: "last_logits", options: { numLogitsToKeep: true } }];
}

/** A tokenizer of one word an id, and the tower's processor. Gives back the side of its pictures. */
function addFiles(folder) {
  const config = JSON.parse(readFileSync(join(folder, "config.json"), "utf8"));
  const words = Array.from({ length: config.text_config.vocab_size }, (_, id) => WORDS[id - 20] ?? `w${id}`);
  words[config.image_token_index] = "<image>";
  const vocab = Object.fromEntries(words.map((word, id) => [word, id]));
  const special = ["<pad>", "<eos>", "<image>"].map((content) => ({ id: vocab[content], content, ...SPECIAL }));
  const { image_size: side, model_type: tower } = config.vision_config;
  const shape = { height: side, width: side };
  writeFiles(folder, {
    "tokenizer.json": {
      version: "1.0",
      added_tokens: special.sort((a, b) => a.id - b.id),
      normalizer: null,
      pre_tokenizer: { type: "WhitespaceSplit" },
      post_processor: null,
      decoder: { type: "WordPiece", prefix: "##", cleanup: false },
      model: {
        type: "WordPiece",
        unk_token: "<pad>",
        continuing_subword_prefix: "##",
        max_input_chars_per_word: 100,
        vocab,
      },
    },
    "tokenizer_config.json": {
      tokenizer_class: "PreTrainedTokenizerFast",
      pad_token: "<pad>",
      eos_token: "<eos>",
      chat_template:
        "{% for message in messages %}{{ message['role'] }} : <image> {{ message['content'] }} {% endfor %}{% if add_generation_prompt %}assistant :{% endif %}",
    },
    "preprocessor_config.json":
      tower === "clip_vision_model"
        ? { image_processor_type: "CLIPImageProcessor", size: { shortest_edge: side }, crop_size: shape }
        : { image_processor_type: "SiglipImageProcessor", size: shape },
    "generation_config.json": { eos_token_id: vocab["<eos>"], pad_token_id: vocab["<pad>"] },
  });
  return side;
}

/** The recipe's teacher, a drawing that it was not trained on, and a question that it was trained to answer. */
async function trainedModel(work) {
  const gallery = await openGallery();
  const text = openText(gallery.lexicon);
  const files = [assetPath("encoder"), assetPath("teacher")];
  const folder = join(work, "recipe_teacher");
  await saveLlava(await assembleModel("teacher", text, { files, seed: 0 }), folder);
  writeFiles(folder, {
    "tokenizer.json": text.tokenizerJson,
    "tokenizer_config.json": {
      tokenizer_class: "PreTrainedTokenizerFast",
      pad_token: "<pad>",
      eos_token: "<eos>",
      unk_token: "<unk>",
      chat_template: "{% for message in messages %}<image> {{ message['content'] }} <ast>{% endfor %}",
    },
    "preprocessor_config.json": {
      image_processor_type: "SiglipImageProcessor",
      size: { height: PIXELS, width: PIXELS },
    },
    "generation_config.json": { eos_token_id: EOS_ID, pad_token_id: PAD_ID },
  });
  const [{ rgba }] = picturesIn(gallery, "test_vendor");
  const onWhite = (i) => {
    const [level, alpha] = [rgba[4 * Math.floor(i / 3) + (i % 3)], rgba[4 * Math.floor(i / 3) + 3] / 255];
    return Math.round(level * alpha + 255 * (1 - alpha));
  };
  const levels = Uint8Array.from({ length: PIXELS * PIXELS * 3 }, (_, i) => onWhite(i));
  return {
    name: "recipe_teacher",
    folder,
    side: PIXELS,
    levels,
    question: "what is this ?",
    options: { largestFile: 500_000 },
  };
}

function writeFiles(folder, files) {
  for (const [name, value] of Object.entries(files)) writeFileSync(join(folder, name), JSON.stringify(value));
}
