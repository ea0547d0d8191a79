// What the commands that talk to a model load once they are started.
export { ask } from "./ask.ts";
export { openModel } from "./open-model.ts";
export { readPictures } from "./pictures.ts";
export { promptOf, rawPrompt } from "./prompt.ts";
