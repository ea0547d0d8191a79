import type { Row } from "./results-csv.ts";

const MEASURED = ["kd ms", "PyTorch ms", "ratio", "compiled ms", "ratio", "MiB: kd, PyTorch, compiled"];

/** Kinds of things in the order in which people ask for them, and what each is in words. */
const KINDS: readonly (readonly [RegExp, string])[] = [
  [/^step ([^ ]+)$/, "training step, $1"],
  [/^step ([^ ]+) frozen-slm$/, "step of the projector alone (PT), $1"],
  [/^step ([^ ]+) dpt$/, "step with a teacher and all four terms (DPT), $1"],
  [/^kd (\d+)x(\d+)$/, "KD terms with gradients, $1 rows, V $2"],
  [/^generate (.+)$/, "a generated token, $1"],
];
const kindOf = (what: string): number => KINDS.findIndex(([pattern]) => pattern.test(what)) + 1 || KINDS.length + 1;
const inWords = (what: string): string => {
  const kind = KINDS.find(([pattern]) => pattern.test(what));
  return kind === undefined ? what : what.replace(...kind);
};
const thingsOf = (rows: readonly Row[]): string[] =>
  [...new Set(rows.map(({ what }) => what))].sort(
    (a, b) => kindOf(a) - kindOf(b) || a.localeCompare(b, "en", { numeric: true }),
  );

/** Markdown with a line a thing and product of ours, every side with the threads that are best for it. */
export function shortTable(rows: readonly Row[]): string {
  const lines = thingsOf(rows).flatMap((what) => {
    const all = rows.filter((row) => row.what === what);
    const peers = all.filter((row) => !isOurs(row));
    const products = [...new Set(all.filter(isOurs).map(({ contender }) => contender))];
    return products
      .map((product) => fastest(all.filter(({ contender }) => contender === product)) as Row)
      .toSorted((a, b) => median(a) - median(b))
      .map((own) => {
        const [, , ...cells] = lineOf(
          "",
          own,
          fastest(peers.filter((p) => !isCompiled(p))),
          fastest(peers.filter(isCompiled)),
        );
        return [inWords(what), ...cells];
      });
  });
  return markdown(["what", "products by", ...MEASURED], lines);
}

const markdown = (head: readonly string[], lines: readonly (readonly string[])[]): string =>
  [head, head.map(() => "---"), ...lines].map((cells) => `| ${cells.join(" | ")} |`).join("\n");

/**
 * Markdown with a line a contender of ours and a thread setting, beside the peers at the same setting; where there are several settings,
 * one more with each side at its best. A ratio is our median over the peer's: below 1 we are faster.
 */
export function markdownTable(rows: readonly Row[]): string {
  return markdown(
    ["what", "threads", "product", ...MEASURED],
    thingsOf(rows).flatMap((what) => linesOf(rows.filter((row) => row.what === what))),
  );
}

/** Where and when, a line for each machine and day. */
export function caption(rows: readonly Row[]): string {
  const of = ({ machine, cores, date }: Row) => `${machine}, ${cores} cores, ${date.slice(0, 10)}`;
  const versions = [...new Set(rows.flatMap((row) => row.versions.split("; ")))].sort();
  return `${[...new Set(rows.map(of))].join("; ")}. ${versions.join(", ")}.`;
}

const median = (row: Row) => Number(row.ms_p50);
const isOurs = ({ contender }: Row) => contender.startsWith("kd ");
const isCompiled = ({ contender }: Row) => contender === "pytorch compile";
const fastest = (rows: readonly Row[]): Row | undefined => rows.toSorted((a, b) => median(a) - median(b))[0];

function linesOf(rows: readonly Row[]): string[][] {
  const ours = rows.filter(isOurs);
  const line = (own: Row, peers: readonly Row[], threads: string) =>
    lineOf(threads, own, fastest(peers.filter((p) => !isCompiled(p))), fastest(peers.filter(isCompiled)));
  const peers = rows.filter((row) => !isOurs(row));
  const equal = ours.map((own) =>
    line(
      own,
      peers.filter(({ threads }) => threads === own.threads),
      own.threads,
    ),
  );
  const best = fastest(ours);
  const several = new Set(rows.map(({ threads }) => threads)).size > 1;
  return several && best !== undefined ? [...equal, line(best, peers, "each its best")] : equal;
}

function lineOf(threads: string, own: Row, eager?: Row, compiled?: Row): string[] {
  const ms = (row: Row | undefined) => (row === undefined ? "" : String(Number(median(row).toPrecision(3))));
  const ratio = (peer: Row | undefined) => (peer === undefined ? "" : (median(own) / median(peer)).toFixed(2));
  const extra = own.extra_mib !== "";
  const mib = [own, eager, compiled].flatMap((row) => row ?? []).map((row) => mebibytes(row, extra));
  const product = own.contender.replace(/^kd (wasm \+ )?/, "");
  const memory = mib.join(", ") + (extra ? " beyond inputs and gradients" : "");
  return [own.what, threads, product, ms(own), ms(eager), ratio(eager), ms(compiled), ratio(compiled), memory];
}

const mebibytes = (row: Row, extra: boolean) => Math.round(Number(extra ? row.extra_mib : row.peak_mib));
