import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";

const HERE = join(import.meta.dirname, "..");
const PACKAGE = join(HERE, "../../packages/cli");

it("the README's walk trains on the ten pictures, and the student answers", () => {
  const home = mkdtempSync(join(tmpdir(), "kd-ten-"));
  const run = (file: string, args: readonly string[], input = "") => {
    const { status, stdout, stderr } = spawnSync(process.execPath, [file, ...args], {
      cwd: home,
      input,
      encoding: "utf8",
    });
    expect(status, stderr).toBe(0);
    return stdout;
  };
  try {
    for (const name of ["pictures", "captions.json", "instructions.json", "train.json"])
      cpSync(join(HERE, name), join(home, name), { recursive: true });
    run(join(HERE, "dist/make-models.js"), [join(home, "models")]);
    const [, walk = ""] =
      /cd examples\/ten-pictures\n([\s\S]*?)```/.exec(readFileSync(join(PACKAGE, "README.md"), "utf8")) ?? [];
    const commands = [...walk.matchAll(/^kd (.*?)\s*(?:#.*)?$/gm)].map(([, line = ""]) =>
      [...line.matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, word]) => quoted ?? word ?? ""),
    );
    const said = commands.map((args) =>
      run(join(PACKAGE, "dist/bin.js"), args, args[0] === "chat" ? "what is this ?\nwhat kind of thing is it ?\n" : ""),
    );
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
