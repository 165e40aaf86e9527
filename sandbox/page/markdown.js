/**
 * Discord's markdown, read into a tree of plain objects `{type, children | text, …}`.
 * Nothing here touches the page; prose.js draws the tree.
 */

const LIST_ITEM = /^( *)([-*]|\d{1,9}\.) +([^]*)/;
const FENCE = "```";
const DEEPEST = 12; // nested marks beyond this stay text, so that no message can make the reader recurse without end

/** The blocks of a message: paragraphs, quotes, headers, lists, code blocks, subtext. */
export function parse(source, depth = 0) {
  const blocks = [];
  let rest = source.replaceAll("\r\n", "\n");
  while (rest) {
    const [block, length] = nextBlock(rest, depth);
    const last = blocks.at(-1);
    if (block.type === "paragraph" && last?.type === "paragraph") last.source += block.source;
    else blocks.push(block);
    rest = rest.slice(length);
  }
  return blocks.map((block) => (block.type === "paragraph" ? paragraph(block.source, depth) : block));
}

function paragraph(source, depth) {
  return { type: "paragraph", children: inline(source, depth) };
}

/** The block that `rest` begins with and how many characters it takes. */
function nextBlock(rest, depth) {
  let match;
  if (depth === 0 && (match = /^>>> ?([^]*)/.exec(rest))) {
    return [{ type: "quote", children: parse(match[1], depth + 1) }, match[0].length];
  }
  if (depth === 0 && (match = /^(?:> ?[^\n]*(?:\n|$))+/.exec(rest)) && /^> /.test(rest)) {
    const inner = match[0].replace(/\n$/, "").replace(/^> ?/gm, "");
    return [{ type: "quote", children: parse(inner, depth + 1) }, match[0].length];
  }
  const code = rest.startsWith(FENCE) && codeBlock(rest);
  if (code) return code;
  if ((match = /^(#{1,3}) +([^\n]+)(?:\n|$)/.exec(rest))) {
    return [{ type: "heading", level: match[1].length, children: inline(match[2], depth) }, match[0].length];
  }
  if ((match = /^-# +([^\n]+)(?:\n|$)/.exec(rest))) {
    return [{ type: "subtext", children: inline(match[1], depth) }, match[0].length];
  }
  if ((match = /^(?: *(?:[-*]|\d{1,9}\.) +[^\n]+(?:\n|$))+/.exec(rest))) {
    const lines = oneList(match[0].replace(/\n$/, "").split("\n"));
    return [list(lines, depth), Math.min(lines.join("\n").length + 1, rest.length)];
  }
  const line = rest.indexOf("\n") + 1 || rest.length;
  const fence = rest.indexOf(FENCE, 1);
  const length = fence > 0 && fence < line ? fence : line;
  return [{ type: "paragraph", source: rest.slice(0, length) }, length];
}

/** The code block whose fence `rest` begins with, and how many characters it takes; null when nothing closes it. */
function codeBlock(rest) {
  const named = /^```([\w+#.-]+)\n/.exec(rest);
  return (named && fenced(rest, named[0].length, named[1])) ?? fenced(rest, FENCE.length, "");
}

/** What stands from `start` to the next fence, its last three backticks. A pattern for this takes cubic time. */
function fenced(rest, start, language) {
  const written = rest.slice(start).search(/[^`\n]/);
  const fence = rest.indexOf(FENCE, start + written);
  if (written < 0 || fence < 0) return null;
  let closing = fence;
  while (rest[closing + FENCE.length] === "`") closing += 1;
  let end = closing;
  while (rest[start] === "\n") start += 1;
  while (rest[end - 1] === "\n") end -= 1;
  const length = closing + FENCE.length + (rest[closing + FENCE.length] === "\n" ? 1 : 0);
  return [{ type: "codeblock", language, text: rest.slice(start, end) }, length];
}

function isOrdered(line) {
  return LIST_ITEM.exec(line)[2].endsWith(".");
}

function indentOf(line) {
  return LIST_ITEM.exec(line)[1].length;
}

/** The lines up to where numbers take over from bullets, or bullets from numbers. */
function oneList(lines) {
  const other = (line) => indentOf(line) <= indentOf(lines[0]) && isOrdered(line) !== isOrdered(lines[0]);
  const end = lines.findIndex(other);
  return end < 0 ? lines : lines.slice(0, end);
}

/** A list from its lines; deeper indented lines become a list inside the item above them. */
function list(lines, depth) {
  const ordered = isOrdered(lines[0]);
  const items = [];
  for (let index = 0; index < lines.length;) {
    const children = inline(LIST_ITEM.exec(lines[index])[3], depth);
    const deeper = [];
    for (index += 1; index < lines.length && indentOf(lines[index]) > indentOf(lines[0]); index += 1)
      deeper.push(lines[index]);
    if (deeper.length && depth < DEEPEST) children.push(list(deeper, depth + 1));
    items.push({ type: "item", children });
  }
  return { type: "list", ordered, start: ordered ? parseInt(LIST_ITEM.exec(lines[0])[2], 10) : 1, children: items };
}

const CODE_SPAN = /(?<!`)(`+)(?!`)([^]*?[^`])\1(?!`)/y;

/** What has no marks inside it: each is `[pattern at this place, (match) => node]`. */
const ATOMS = [
  [/\\([^\p{L}\p{N}\s])/uy, (match) => ({ type: "text", text: match[1] })],
  [CODE_SPAN, (match) => ({ type: "code", text: match[2].replace(/^ (`.*`) $/, "$1") })],
  [
    /<t:(-?\d{1,12})(?::([tTdDfFR]))?>/y,
    (match) => ({ type: "time", seconds: Number(match[1]), style: match[2] ?? "f" }),
  ],
  [/<@!?(\d{1,20})>/y, (match) => ({ type: "user", id: match[1] })],
  [/<@&(\d{1,20})>/y, (match) => ({ type: "role", id: match[1] })],
  [/<#(\d{1,20})>/y, (match) => ({ type: "channel", id: match[1] })],
  [/<\/([-\w ]{1,100}):(\d{1,20})>/y, (match) => ({ type: "command", name: match[1] })],
  [/<a?(:\w{2,32}:)\d{1,20}>/y, (match) => ({ type: "text", text: match[1] })],
  [/@(everyone|here)\b/y, (match) => ({ type: "everyone", text: match[0] })],
  [
    /<(https?:\/\/[^\s<>]+)>/y,
    (match) => ({ type: "link", url: match[1], children: [{ type: "text", text: match[1] }] }),
  ],
  [
    /https?:\/\/[^\s<]*[^\s<.,:;"'\])*_~|]/y,
    (match) => ({ type: "link", url: match[0], children: [{ type: "text", text: match[0] }] }),
  ],
];
const MASKED_LINK = /\[([^[\]\n]+)\]\(<?(https?:\/\/[^\s)<>]+)>?\)/y;

/** What encloses other text, longest mark first. */
const PAIRS = [
  ["||", "spoiler"],
  ["**", "bold"],
  ["__", "underline"],
  ["~~", "strike"],
  ["*", "italic"],
  ["_", "italic"],
];

/** The marks within a line or paragraph. */
function inline(source, depth) {
  const nodes = [];
  const push = (node) => {
    const last = nodes.at(-1);
    if (node.type === "text" && last?.type === "text") last.text += node.text;
    else nodes.push(node);
  };
  let place = 0;
  while (place < source.length) {
    const [node, end] =
      atom(source, place) ?? (depth < DEEPEST ? enclosed(source, place, depth) : null) ?? plain(source, place);
    push(node);
    place = end;
  }
  return nodes;
}

function plain(source, place) {
  const special = /[\\`<@h[|*_~]/g;
  special.lastIndex = place + 1;
  const end = special.exec(source)?.index ?? source.length;
  return [{ type: "text", text: source.slice(place, end) }, end];
}

function at(pattern, source, place) {
  pattern.lastIndex = place;
  return pattern.exec(source);
}

function atom(source, place) {
  for (const [pattern, make] of ATOMS) {
    const match = at(pattern, source, place);
    if (match) return [make(match), place + match[0].length];
  }
  return null;
}

function enclosed(source, place, depth) {
  const link = at(MASKED_LINK, source, place);
  if (link) return [{ type: "link", url: link[2], children: inline(link[1], depth + 1) }, place + link[0].length];
  const pair = PAIRS.find(([mark]) => source.startsWith(mark, place));
  if (!pair) return null;
  const [mark, type] = pair;
  const start = place + mark.length;
  if (mark === "_" && /\w/.test(source[place - 1] ?? "")) return null; // snake_case is no emphasis
  if (mark === "*" && /\s/.test(source[start] ?? " ")) return null; // nor is 2 * 3
  const end = closing(source, start, mark);
  if (end <= start) return null;
  return [{ type, children: inline(source.slice(start, end), depth + 1) }, end + mark.length];
}

/** Where `mark` closes after `from`, or -1: past escapes and code, and at the outer end of a longer run (`***`). */
function closing(source, from, mark) {
  for (let place = from; place < source.length; place += 1) {
    if (source[place] === "\\") {
      place += 1;
    } else if (source[place] === "`") {
      const code = at(CODE_SPAN, source, place);
      if (code) place += code[0].length - 1;
    } else if (source.startsWith(mark, place)) {
      const run = source.slice(place).match(mark[0] === "|" ? /^\|+/ : new RegExp(`^\\${mark[0]}+`))[0].length;
      if (mark.length === 2) return place + run - 2;
      if (run % 2 === 0) {
        place += run - 1; // a pair inside: the bold in *a **b** c*
      } else if (mark === "_" && /\w/.test(source[place + run] ?? "")) {
        place += run - 1;
      } else {
        return place + run - 1;
      }
    }
  }
  return -1;
}
