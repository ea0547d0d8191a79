import { execFile } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, it } from "vitest";

const HERE = join(import.meta.dirname, "..");
const PACKAGE = join(HERE, "../../packages/cli");

const execute = promisify(execFile);

// 10 s of a quiet machine, minutes of one whose cores others use
it("the README's walk trains on the ten pictures, and the student answers", { timeout: 300_000 }, async () => {
  const home = mkdtempSync(join(tmpdir(), "kd-ten-"));
  const run = async (file: string, args: readonly string[], input = "") => {
    const running = execute(process.execPath, [file, ...args], { cwd: home });
    running.child.stdin?.end(input);
    return (await running).stdout;
  };
  try {
    for (const name of ["pictures", "captions.json", "instructions.json", "train.json"])
      cpSync(join(HERE, name), join(home, name), { recursive: true });
    await run(join(HERE, "dist/make-models.js"), [join(home, "models")]);
    const [, walk = ""] =
      /cd examples\/ten-pictures\n([\s\S]*?)```/.exec(readFileSync(join(PACKAGE, "README.md"), "utf8")) ?? [];
    const commands = [...walk.matchAll(/^kd (.*?)\s*(?:#.*)?$/gm)].map(([, line = ""]) =>
      [...line.matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, word]) => quoted ?? word ?? ""),
    );
    const said: string[] = [];
    for (const args of commands) {
      const input = args[0] === "chat" ? "what is this ?\nwhat kind of thing is it ?\n" : "";
      said.push(await run(join(PACKAGE, "dist/bin.js"), args, input));
    }
    expect(said).toHaveLength(5);
    const [teacher, trained, student, colour, talk] = said;
    expect(teacher).toMatch(/together +1,372,800 parameters/);
    expect(trained).toMatch(
      /dpt +60 steps[\s\S]*sft +60 steps[\s\S]*dft +60 steps of 10 records, loss 0\.\d+\nstudent /,
    );
    expect(student).toContain("nothing is missing or too much");
    expect(colour).toBe("orange\n");
    expect(talk).toBe("dog\nmammal\n");
  } finally {
    rmSync(home, { recursive: true });
  }
});
