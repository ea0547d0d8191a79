import { parseArgs } from "node:util";
import { type Contender, startContender } from "./contender.ts";
import { quantile } from "./job.ts";
import { commit, machine } from "./machine.ts";
import { appendRows, type Row } from "./results-csv.ts";
import { markdownTable } from "./table.ts";
import { RESULTS } from "./table-command.ts";
import { defaultPython, ourCommand, parseThing, peerCommand, type Thing } from "./things.ts";
import { wholeNumber } from "./usage-error.ts";

interface Plan {
  readonly threads: readonly number[];
  readonly ours: readonly string[];
  readonly peers: readonly string[];
  readonly python: string;
}

/** Contenders one after the other, round by round, in processes that live through all rounds; a table, and rows in results.csv. */
export async function compare(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      configs: { type: "string", default: "a,b,c" },
      rounds: { type: "string", default: "8" },
      steps: { type: "string", default: "5" },
      threads: { type: "string", default: machine().cores },
      ours: { type: "string", default: "auto" },
      peers: { type: "string", default: "eager,compile" },
      python: { type: "string", default: defaultPython() },
      dry: { type: "boolean", default: false },
    },
  });
  const things = values.configs.split(",").map(parseThing);
  const plan = {
    threads: values.threads.split(",").map((text) => wholeNumber("threads", text)),
    ours: values.ours.split(","),
    peers: values.peers.split(",").filter((mode) => mode !== ""),
    python: values.python,
  };
  const [rounds, steps] = [wholeNumber("rounds", values.rounds), wholeNumber("steps", values.steps)];
  for (const thing of things) {
    const contenders = await startAll(thing, plan);
    try {
      const rows = await measure(contenders, rounds, steps);
      process.stdout.write(`${markdownTable(rows)}\n\n`);
      if (!values.dry) appendRows(RESULTS, rows);
    } finally {
      for (const { stop } of contenders) stop();
    }
  }
}

async function startAll(thing: Thing, { threads, ours, peers, python }: Plan): Promise<Contender[]> {
  const modes = thing.compiles ? peers : peers.slice(0, 1);
  const commands = threads.flatMap((count) => [
    ...ours.map((blas) => ourCommand(thing, blas, count)),
    ...modes.map((mode) => peerCommand(thing, mode, count, python)),
  ]);
  const started = new Map<string, Contender>();
  for (const command of commands) {
    const contender = await startContender(command);
    const { what, contender: name, threads: count, first_loss } = contender.description;
    process.stderr.write(`${what}: ${name}, ${count} threads, first loss ${first_loss}\n`);
    const key = `${name} ${count}`; // a product that takes no number of threads would run twice
    if (started.has(key)) contender.stop();
    else started.set(key, contender);
  }
  return [...started.values()];
}

async function measure(contenders: readonly Contender[], rounds: number, steps: number): Promise<Row[]> {
  const all = contenders.map((contender) => ({ contender, ms: [] as number[], perRound: [] as number[], peak: 0 }));
  for (let round = 0; round < rounds; round++)
    for (let i = 0; i < all.length; i++) {
      const one = all[(i + round) % all.length] as (typeof all)[number]; // nobody always follows the same one
      const samples = await one.contender.ask(steps);
      one.ms.push(...samples.ms);
      one.perRound.push(quantile(samples.ms, 0.5));
      one.peak = samples.peak_mib;
      process.stderr.write(
        `round ${round + 1}/${rounds} ${nameOf(one.contender)}: ${one.perRound.at(-1)?.toFixed(1)} ms, loss ${samples.loss.toFixed(4)}\n`,
      );
    }
  reportSpread(all);
  const where = machine();
  const revision = commit();
  return all.map(({ contender: { description }, ms, peak }) => {
    const at = (p: number) => quantile(ms, p).toFixed(3);
    const ours = description.contender.startsWith("kd ");
    return {
      ...where,
      what: description.what,
      contender: description.contender,
      versions: ours && revision !== "" ? `kd ${revision}; ${description.versions}` : description.versions,
      threads: String(description.threads),
      samples: String(ms.length),
      ms_p20: at(0.2),
      ms_p50: at(0.5),
      ms_p80: at(0.8),
      peak_mib: String(peak),
      idle_mib: String(description.idle_mib),
      extra_mib: String(description.extra_mib ?? ""),
    };
  });
}

const nameOf = ({ description: { contender, threads } }: Contender) => `${contender} (${threads})`;

interface Timed {
  readonly contender: Contender;
  readonly perRound: readonly number[];
}

/** How far the ratio of one round is from another's: what a single ratio is worth on this machine today. */
function reportSpread(all: readonly Timed[]): void {
  const isOurs = ({ contender }: Timed) => contender.description.contender.startsWith("kd ");
  for (const a of all.filter(isOurs))
    for (const b of all.filter((one) => !isOurs(one))) {
      const ratios = a.perRound.map((ms, round) => ms / (b.perRound[round] as number));
      const [middle, least, most] = [0.5, 0, 1].map((p) => quantile(ratios, p).toFixed(2));
      process.stderr.write(
        `${nameOf(a.contender)} / ${nameOf(b.contender)}: ${middle}, rounds from ${least} to ${most}\n`,
      );
    }
}
