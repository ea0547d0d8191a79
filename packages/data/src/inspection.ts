import type { Conversation } from "./conversation.ts";
import type { Distribution } from "./distribution.ts";

/** Two records with the same picture or text, each as file and index. */
export interface SamePair {
  readonly where: string;
  /** The first that had it. */
  readonly sameAs: string;
}

/** Records that share something with an earlier one. */
export interface Sharing {
  readonly count: number;
  /** The first of them. */
  readonly examples: readonly SamePair[];
}

/** What is in data sets: plain data, for a page or a terminal. */
export interface Inspection {
  readonly sources: readonly {
    readonly name: string;
    readonly split: string;
    readonly records: number;
    readonly bad: number;
    readonly withPictures: number;
    readonly textOnly: number;
    readonly pictures: number;
    readonly rounds: number;
  }[];
  /** Words a record, as samplers count them. */
  readonly words: Distribution;
  /** Tokens a record and those of them that are supervised; none without an encoder. */
  readonly tokens: Distribution | undefined;
  readonly supervised: Distribution | undefined;
  readonly bad: {
    readonly count: number;
    readonly examples: readonly { readonly where: string; readonly message: string }[];
  };
  /** Pictures with other bytes than all before. */
  readonly distinctPictures: number;
  /** Records of one split with the same text and pictures as an earlier one. */
  readonly duplicates: Sharing;
  /** Records with a picture, or a text, that another split has, too. */
  readonly leaks: { readonly pictures: Sharing; readonly texts: Sharing };
  readonly samples: readonly (Conversation & { readonly where: string })[];
}

const number = (value: number): string => Math.round(value).toLocaleString("en-US");
const clip = (text: string): string => {
  const line = text.replaceAll(/\p{C}+|\s+/gu, " ").trim(); // control characters would reach the terminal
  return line.length > 160 ? `${line.slice(0, 159)}…` : line;
};

function spread(name: string, values: Distribution | undefined): string[] {
  if (values === undefined || values.count === 0) return [];
  const { min, median, p90, p99, max, mean, histogram } = values;
  const most = Math.max(...histogram.map(({ count }) => count));
  return [
    "",
    `${name} a record: min ${number(min)}, median ${number(median)}, mean ${number(mean)}, 90 % ${number(p90)}, 99 % ${number(p99)}, max ${number(max)}`,
    ...histogram.map(
      ({ from, to, count }) =>
        `  ${`${number(from)}–${number(to - 1)}`.padStart(17)} ${number(count).padStart(10)} ${"█".repeat(Math.ceil((count / most) * 40))}`,
    ),
  ];
}

function shared(name: string, { count, examples }: Sharing): string[] {
  return [`${name}: ${number(count)}`, ...examples.map(({ where, sameAs }) => `  ${clip(where)} = ${clip(sameAs)}`)];
}

/** An inspection as lines for a terminal; texts out of the data are cut and lose their control characters. */
export function formatInspection(inspection: Inspection): string {
  const { sources, words, tokens, supervised, bad, distinctPictures, duplicates, leaks, samples } = inspection;
  return [
    ...sources.map(
      (each) =>
        `${clip(each.name)} (${clip(each.split)}): ${number(each.records)} records, ${number(each.withPictures)} with pictures, ${number(each.textOnly)} text only, ${number(each.rounds)} rounds, ${number(each.pictures)} pictures, ${number(each.bad)} bad`,
    ),
    ...spread("words", words),
    ...spread("tokens", tokens),
    ...spread("supervised tokens", supervised),
    "",
    `bad records: ${number(bad.count)}`,
    ...bad.examples.map(({ message }) => `  ${clip(message)}`),
    `distinct pictures: ${number(distinctPictures)}`,
    ...shared("duplicates in a split", duplicates),
    ...shared("pictures in two splits", leaks.pictures),
    ...shared("texts in two splits", leaks.texts),
    ...samples.flatMap(({ where, images, rounds }) => [
      "",
      `${clip(where)} ${clip(images.join(", "))}`,
      ...rounds.flatMap(({ question, answer }) => [`  human: ${clip(question)}`, `  gpt:   ${clip(answer)}`]),
    ]),
  ].join("\n");
}
