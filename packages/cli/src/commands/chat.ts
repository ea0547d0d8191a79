import { createInterface } from "node:readline/promises";
import { Command } from "commander";
import { type EngineFlags, startEngine, wholeNumber, withEngine } from "../engine.ts";
import type { Message, TemplateName } from "../prompt.ts";
import { note, paint, sayJson } from "../terminal.ts";
import { templateOption } from "./generate.ts";

interface Flags extends EngineFlags {
  readonly template?: TemplateName;
  readonly maxNewTokens: number;
  readonly json?: boolean;
}

/** `kd chat DIR [IMAGE]`: a talk, a line a turn. */
export function chatCommand(): Command {
  return withEngine(new Command("chat"))
    .description("talk to a model, about a picture or not; each line of stdin is a turn")
    .argument("<dir>", "folder of a LLaVA model or of a language model")
    .argument("[image]", "a picture to talk about")
    .addOption(templateOption())
    .option("--max-new-tokens <n>", "at most so many an answer", wholeNumber, 512)
    .option("--json", "a JSON object a turn, as kd generate prints it")
    .addHelpText(
      "after",
      `
In the talk: /image FILE shows another picture, /reset forgets, /exit or Ctrl-D ends.

Examples:
  kd chat run/student dog.png
  echo "what is this ?" | kd chat run/student dog.png`,
    )
    .action(async (folder: string, image: string | undefined, flags: Flags) => {
      await startEngine(flags);
      const { ask, openModel, promptText } = await import("../talk.ts");
      const model = await openModel(folder);
      const { template, maxNewTokens, json } = flags;
      const { cyan } = paint(process.stderr);
      let messages: Message[] = [];
      let images: string[] = [];
      let shown = image === undefined ? [] : [image]; // goes with the next turn
      const terminal = process.stdin.isTTY === true;
      const lines = createInterface({ input: process.stdin, output: process.stderr, terminal, prompt: cyan("> ") });
      lines.on("SIGINT", () => lines.close());
      if (terminal) lines.prompt();
      for await (const line of lines) {
        const [word, ...rest] = line.trim().split(/\s+/);
        if (word === "/exit") break;
        if (word === "/reset") {
          [messages, images, shown] = [[], [], image === undefined ? [] : [image]];
        } else if (word === "/image") shown = [...shown, rest.join(" ")];
        else if (line.trim() !== "") {
          const turn: Message = { role: "user", content: line.trim(), images: shown.length };
          const pictures = [...images, ...shown];
          const prompt = promptText([...messages, turn], model.text, template);
          const answer = await ask(model, { prompt, images: pictures, maxNewTokens }, (piece) => {
            if (!json) process.stdout.write(piece);
          });
          if (json) sayJson(answer);
          else process.stdout.write("\n");
          messages = [...messages, turn, { role: "assistant", content: answer.text.trim() }];
          [images, shown] = [pictures, []];
        }
        if (terminal) lines.prompt();
      }
      if (terminal) note("");
    });
}
