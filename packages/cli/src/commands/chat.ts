import { createInterface } from "node:readline/promises";
import { KdError } from "@kd/contract";
import { Command } from "commander";
import { type DecodingFlags, decodingOf, withDecoding } from "../decoding.ts";
import { type EngineFlags, startEngine, withEngine } from "../engine.ts";
import type { OpenModel } from "../open-model.ts";
import type { Message, TemplateName } from "../prompt.ts";
import { note, paint, sayJson, sayPiece } from "../terminal.ts";
import { adapterOption, templateOption } from "./generate.ts";

interface Flags extends EngineFlags, DecodingFlags {
  readonly template?: TemplateName;
  readonly adapter?: string;
  readonly json?: boolean;
}

/** What was said so far. */
interface Talk {
  readonly messages: readonly Message[];
  /** Files of the pictures that were shown. */
  readonly images: readonly string[];
  /** Those that go with the next turn. */
  readonly shown: readonly string[];
}

/** `kd chat DIR [IMAGE]`: a talk, a line a turn. */
export function chatCommand(): Command {
  return withEngine(withDecoding(new Command("chat"), 512))
    .description("talk to a model, about a picture or not; each line of stdin is a turn")
    .argument("<dir>", "folder of a LLaVA model, of a language model, or of a PEFT adapter on one")
    .argument("[image]", "a picture to talk about")
    .addOption(templateOption())
    .addOption(adapterOption())
    .option("--json", "a JSON object a turn, as kd generate prints it")
    .addHelpText(
      "after",
      `
In the talk: /image FILE shows another picture, /reset forgets, /exit or Ctrl-D ends, Ctrl-C stops an answer.

Examples:
  kd chat run/student dog.png
  echo "what is this ?" | kd chat run/student dog.png`,
    )
    .action(async (folder: string, image: string | undefined, flags: Flags) => {
      await startEngine(flags);
      const { openModel } = await import("../talk.ts");
      const model = await openModel(folder, flags);
      const { cyan } = paint(process.stderr);
      const fresh = (): Talk => ({ messages: [], images: [], shown: image === undefined ? [] : [image] });
      let talk = fresh();
      let answering: AbortController | undefined;
      const terminal = process.stdin.isTTY === true;
      const lines = createInterface({ input: process.stdin, output: process.stderr, terminal, prompt: cyan("> ") });
      lines.on("SIGINT", () => (answering === undefined ? lines.close() : answering.abort()));
      if (terminal) lines.prompt();
      for await (const line of lines) {
        const [word, ...rest] = line.trim().split(/\s+/);
        if (word === "/exit") break;
        if (word === "/reset") talk = fresh();
        else if (word === "/image") talk = { ...talk, shown: [...talk.shown, rest.join(" ")] };
        else if (word !== "") {
          answering = new AbortController();
          try {
            talk = await answer(talk, line.trim(), { model, flags, signal: answering.signal });
          } catch (error) {
            if (!terminal || !KdError.is(error)) throw error;
            note(`error ${error.code}: ${error.message}`); // a person tries again, a script does not
            talk = { ...talk, shown: [] };
          }
          answering = undefined;
        }
        if (terminal) lines.prompt();
      }
      if (terminal) note("");
    });
}

interface Turn {
  readonly model: OpenModel;
  readonly flags: Flags;
  readonly signal: AbortSignal;
}

/** One turn: the answer goes to stdout, and the talk is longer by two messages. */
async function answer(talk: Talk, content: string, { model, flags, signal }: Turn): Promise<Talk> {
  const { ask, promptOf, readPictures } = await import("../talk.ts");
  const { template, json } = flags;
  const messages: Message[] = [...talk.messages, { role: "user", content, images: talk.shown.length }];
  const images = [...talk.images, ...talk.shown];
  const pictures = await readPictures(model, images);
  const prompt = await promptOf(messages, { ...model, imageTokens: pictures.tokens }, template);
  const onText = (piece: string): void => void (json || sayPiece(piece));
  const said = await ask(model, { prompt, pictures, ...decodingOf(flags) }, { onText, signal });
  if (json) sayJson(said);
  else process.stdout.write("\n");
  return { messages: [...messages, { role: "assistant", content: said.text.trim() }], images, shown: [] };
}
