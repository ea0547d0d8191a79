// Asks a model by transformers.js and prints a line "ANSWER {json}". A process of its own, as each version brings another ONNX Runtime.
//   node scripts/ask-transformers-js.mjs MODULES PARENT NAME DTYPE PICTURE QUESTION COUNT
import { createRequire } from "node:module";
import { join } from "node:path";

const [modules, parent, name, dtype, picture, question, count] = process.argv.slice(2);
const require = createRequire(join(modules, "package.json"));
const LIBRARY = "@huggingface/transformers"; // of that folder, not one of ours
const { env, AutoModelForImageTextToText, AutoProcessor, RawImage } = require(LIBRARY);
env.allowRemoteModels = false;
env.localModelPath = `${parent}/`;

const processor = await AutoProcessor.from_pretrained(name);
const model = await AutoModelForImageTextToText.from_pretrained(name, dtype === "default" ? {} : { dtype });
const messages = [{ role: "user", content: question }];
const prompt = processor.apply_chat_template(messages, { add_generation_prompt: true });
const image = await RawImage.read(picture);
const inputs = await processor(image, prompt);
const { logits } = await model(inputs);
const promptIds = Array.from(inputs.input_ids.data, Number);
const generate = async (given) => {
  const output = await model.generate({ ...given, max_new_tokens: Number(count), do_sample: false });
  return output.tolist().map((row) => row.slice(promptIds.length).map(Number));
};
const [ids] = await generate(inputs);
const twice = await generate(await processor([image, image], [prompt, prompt]));
const [text] = processor.batch_decode([ids], { skip_special_tokens: false });
const answer = { prompt, promptIds, ids, twice, text, shape: logits.dims, logits: Array.from(logits.data) };
console.log(`ANSWER ${JSON.stringify(answer)}`);
