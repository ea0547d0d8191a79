import { escapeHtml } from "./escape-html.ts";
import type { ReportData } from "./report-data.ts";

/** Pictures with question, right answer and the models' answers; right ones carry a tick, not a colour alone. */
export function sampleGrid({ shown }: NonNullable<ReportData["samples"]>): string {
  const cards = shown.map(({ image, question, answer, answers }) => {
    const lines = Object.entries(answers).map(([name, given]) => {
      const [mark, word] = given.trim() === answer.trim() ? ["✓", "right"] : ["✗", "wrong"];
      return `<li class="${word}"><b role="img" aria-label="${word}">${mark}</b><small>${escapeHtml(name)}</small><span>${escapeHtml(given.trim() || "(nothing)")}</span></li>`;
    });
    return `<article>${picture(image, 72)}<div><p>${escapeHtml(question)}</p><ul><li class="answer"><b></b><small>answer</small><span>${escapeHtml(answer)}</span></li>${lines.join("")}</ul></div></article>`;
  });
  return `<div class="grid">${cards.join("")}</div>`;
}

/** A picture that comes with the page: nothing is fetched. */
export function picture(uri: string, size: number): string {
  const inside = /^data:image\/(png|jpeg|webp|gif|svg\+xml)[;,]/.test(uri) ? uri : "";
  return `<img src="${escapeHtml(inside)}" alt="the picture asked about" width="${size}" height="${size}">`;
}
