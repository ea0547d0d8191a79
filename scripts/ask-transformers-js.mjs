// Asks a model by transformers.js and prints a line "ANSWER {json}". A process of its own, as each version brings another ONNX Runtime.
//   node scripts/ask-transformers-js.mjs MODULES PARENT NAME DTYPE PICTURE QUESTION COUNT
import { createRequire } from "node:module";
import { join } from "node:path";

const [modules, parent, name, dtype, picture, question, count] = process.argv.slice(2);
const require = createRequire(join(modules, "package.json"));
const { env, AutoModelForImageTextToText, AutoProcessor, RawImage } = require("@huggingface/transformers");
env.allowRemoteModels = false;
env.localModelPath = `${parent}/`;

const processor = await AutoProcessor.from_pretrained(name);
const model = await AutoModelForImageTextToText.from_pretrained(name, dtype === "default" ? {} : { dtype });
const messages = [{ role: "user", content: question }];
const prompt = processor.apply_chat_template(messages, { add_generation_prompt: true });
const inputs = await processor(await RawImage.read(picture), prompt);
const { logits } = await model(inputs);
const output = await model.generate({ ...inputs, max_new_tokens: Number(count), do_sample: false });
const promptIds = Array.from(inputs.input_ids.data, Number);
const ids = Array.from(output.data, Number).slice(promptIds.length);
const [text] = processor.batch_decode([ids], { skip_special_tokens: true });
const answer = { prompt, promptIds, ids, text, shape: logits.dims, logits: Array.from(logits.data) };
console.log(`ANSWER ${JSON.stringify(answer)}`);
