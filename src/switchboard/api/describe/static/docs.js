"use strict";
// Builds the page from openapi.json. Everything that comes from elsewhere becomes text, never markup.

const SHOWN_BYTES = 256 * 1024;
const TIMEOUT_MS = 30_000;
const BASE = new URL(".", location.href); // also behind a proxy that adds a path

/** An element with attributes and children; a child that is a string becomes text. */
function el(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key in element && typeof value !== "string") element[key] = value;
    else element.setAttribute(key, value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== ""));
  return element;
}

/** Text in which `this` is code. */
const prose = (text) => text.split("`").map((part, at) => (at % 2 ? el("code", {}, part) : part));
const paragraphs = (text, cls) => text.split("\n\n").map((part) => el("p", { class: cls }, prose(part)));

function reader(spec) {
  const resolve = (object) => {
    if (!object || !object.$ref) return object;
    const found = object.$ref.slice(2).split("/").reduce((at, key) => at[key], spec);
    return { ...found, ...object, $ref: undefined };
  };

  /** A type in one line: «integer, 1 … 1000», «string, any number of times». */
  function typeOf(schema) {
    const type = resolve(schema);
    if (type.type === "array" && type.items) return `${typeOf(type.items)}, may be repeated`;
    if (type.enum) return type.enum.join(" | ");
    if (type.anyOf) return [...new Set(type.anyOf.map(typeOf))].join(" or ");
    const words = [Array.isArray(type.type) ? type.type.join(" or ") : type.type];
    if (type.format) words.push(type.format);
    if (type.minimum !== undefined || type.maximum !== undefined) words.push(`${type.minimum ?? ""} … ${type.maximum ?? ""}`);
    return words.join(", ");
  }

  /** A body as it looks, with what is known about its fields beside them. */
  function shape(schema, indent = "", depth = 0) {
    const type = resolve(schema);
    const inner = `${indent}  `;
    if (type.anyOf) return [...new Set(type.anyOf.map((each) => shape(each, indent, depth + 1)))].join(" | ");
    if (type.enum) return type.enum.map((each) => JSON.stringify(each)).join(" | ");
    if (type.type === "array") return `[${shape(type.items ?? {}, indent, depth + 1)}, …]`;
    if (type.type === "object" && type.properties && depth < 8) {
      const lines = Object.entries(type.properties).map(([name, field]) => {
        const optional = (type.required ?? []).includes(name) ? "" : "?";
        const note = field.description ?? "";
        return `${note ? `${inner}// ${note}\n` : ""}${inner}${name}${optional}: ${shape(field, inner, depth + 1)}`;
      });
      return lines.length ? `{\n${lines.join("\n")}\n${indent}}` : "{}";
    }
    if (type.type === "object") return type.additionalProperties ? `{ name: ${shape(type.additionalProperties, indent, depth + 1)}, … }` : "{ … }";
    return Array.isArray(type.type) ? type.type.join(" | ") : (type.type ?? "any");
  }
  return { resolve, typeOf, shape };
}

/** JSON text on indented lines. The text is not parsed: a number of 64 bits would lose its last digits. */
function indented(text) {
  let depth = 0;
  let before = "";
  let out = "";
  const line = () => `\n${"  ".repeat(depth)}`;
  for (const [token] of text.matchAll(/"(?:[^"\\]|\\.)*"?|[[\]{},:]|[^\s[\]{},:"]+/gs)) {
    const closes = token === "]" || token === "}";
    if (closes) depth = Math.max(0, depth - 1);
    if (closes ? before !== "[" && before !== "{" : before === "[" || before === "{" || before === ",") out += line();
    out += token === ":" ? ": " : token;
    if (token === "[" || token === "{") depth += 1;
    before = token;
  }
  return out;
}

const quoted = (text) => (/^[\w./:=@%+-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);

function copyable(text) {
  const pre = el("pre", { tabindex: "0" }, text);
  const button = el("button", { type: "button" }, "Copy");
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(pre.textContent);
      button.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(pre); // plain HTTP from another host: the browser gives no clipboard
      button.textContent = "Selected";
    }
    setTimeout(() => { button.textContent = "Copy"; }, 1500);
  });
  return { pre, box: el("div", { class: "copy" }, pre, button) };
}

function field(parameter, read) {
  const schema = read.resolve(parameter.schema);
  const repeats = schema.type === "array";
  const example = parameter.example ?? "";
  const value = Array.isArray(example) ? example.join("\n") : String(example);
  const hint = parameter.required ? "required" : repeats ? "one a line" : "";
  const standard = schema.default === undefined ? "" : `${schema.default} (default)`;
  const choices = schema.type === "boolean" ? ["true", "false"] : schema.enum;
  const input = choices
    ? el("select", {}, ["", ...choices].map((each) => el("option", { value: each, selected: each === value }, each || standard)))
    : repeats
      ? el("textarea", { rows: 2, spellcheck: false }, value)
      : el("input", { value, spellcheck: false, autocomplete: "off", placeholder: schema.default === undefined ? "" : String(schema.default) });
  input.autocapitalize = "off";
  const values = () => (repeats ? input.value.split("\n") : [input.value]).filter((each) => each !== "");
  return { parameter, input, values, box: el("div", {}, el("label", {}, parameter.name, el("span", { class: "hint" }, hint), input)) };
}

function tryIt(path, method, operation, read) {
  const fields = (operation.parameters ?? []).filter((each) => each.name !== "Accept-Encoding").map((each) => field(each, read));
  const types = Object.keys(operation.responses["200"].content ?? {});
  const accept = types.length > 1 ? el("select", {}, ["", ...types].map((each) => el("option", { value: each }, each))) : null;
  const posted = operation.requestBody?.content["application/json"];
  const body = posted ? el("textarea", { rows: 8, spellcheck: false }, JSON.stringify(posted.example ?? {}, null, 2)) : null;
  const send = el("button", { class: "send" }, "Send");
  const form = el(
    "form", {}, fields.map((each) => each.box),
    accept && el("div", {}, el("label", {}, "Accept", accept)),
    body && el("div", { class: "wide" }, el("label", {}, "Body", body)),
    el("div", { class: "wide" }, send),
  );
  const curl = copyable("");
  const answer = el("div", { class: "answer", "aria-live": "polite" });

  function request() {
    const query = new URLSearchParams();
    const headers = {};
    for (const { parameter, values } of fields) {
      for (const value of values()) {
        if (parameter.in === "query") query.append(parameter.name, value);
        else headers[parameter.name] = value;
      }
    }
    if (accept?.value) headers.Accept = accept.value;
    if (body) headers["Content-Type"] = "application/json";
    const text = query.toString();
    const url = new URL(path.slice(1) + (text ? `?${text}` : ""), BASE);
    return { url, headers, method: method.toUpperCase(), body: body?.value };
  }

  function show() {
    const { url, headers, body: content } = request();
    const words = ["curl", ...Object.entries(headers).flatMap(([name, value]) => ["-H", `${name}: ${value}`])];
    if (content !== undefined) words.push("-d", content);
    curl.pre.textContent = [...words, url.href].map(quoted).join(" ");
  }

  form.addEventListener("input", show);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    send.disabled = true;
    answer.replaceChildren();
    const { url, ...options } = request();
    const began = performance.now();
    try {
      const response = await fetch(url, { ...options, cache: "no-store", signal: AbortSignal.timeout(TIMEOUT_MS) });
      const { bytes, whole } = await received(response);
      const took = `${(performance.now() - began).toFixed(0)} ms, ${whole ? "" : "more than "}${bytes.length} bytes`;
      const status = `${response.status} ${response.statusText}`.trim();
      const lines = [...response.headers].map(([name, value]) => `${name}: ${value}`).join("\n");
      const type = response.headers.get("content-type") ?? "";
      const plain = type.includes("arrow") ? "(binary)" : new TextDecoder().decode(bytes);
      const text = (/[/+]json\b/.test(type) ? indented(plain) : plain) + (whole ? "" : "\n… (the rest is not shown)");
      answer.append(
        el("div", { class: `status s${response.status.toString()[0]}` }, status, el("span", { class: "took" }, took)),
        bytes.length ? el("pre", { tabindex: "0" }, text) : "",
        el("pre", { tabindex: "0", class: "headers" }, lines),
      );
    } catch (error) {
      answer.append(el("div", { class: "status s5" }, `No answer: ${error.message}`));
    } finally {
      send.disabled = false;
    }
  });
  show();
  return { curl: curl.box, box: el("details", {}, el("summary", {}, "Try it"), form, answer) };
}

/** The beginning of a body, and whether that is all of it: a list may be larger than a page can show. */
async function received(response) {
  const parts = [];
  let size = 0;
  let whole = true;
  const stream = response.body?.getReader();
  while (stream) {
    const { done, value } = await stream.read();
    if (done) break;
    parts.push(value);
    size += value.length;
    if (size > SHOWN_BYTES) {
      whole = false;
      await stream.cancel();
      break;
    }
  }
  return { bytes: new Uint8Array(await new Blob(parts).arrayBuffer()).slice(0, SHOWN_BYTES), whole };
}

const row = (name, extra, ...about) => el("div", {}, el("dt", {}, name, extra), el("dd", {}, about));

function endpoint(path, method, operation, read) {
  const parameters = (operation.parameters ?? []).map((each) => {
    const fallback = each.schema.default === undefined ? "" : `, default ${each.schema.default}`;
    return row(
      each.name, each.required ? el("span", { class: "required" }, "required") : "",
      prose(each.description ?? ""), el("span", { class: "type" }, `${each.in === "header" ? "header, " : ""}${read.typeOf(each.schema)}${fallback}`),
    );
  });
  const responses = Object.entries(operation.responses).map(([status, response]) => {
    const { description, headers, content } = read.resolve(response);
    const names = Object.keys(headers ?? {}).join(", ");
    const types = Object.keys(content ?? {}).join(", ");
    return row(
      el("span", { class: `status s${status[0]}` }, status), "", prose(description),
      el("span", { class: "type" }, types), names ? el("div", { class: "headers" }, names) : "",
    );
  });
  const [type, good] = Object.entries(operation.responses["200"].content ?? {})[0] ?? [];
  const tried = tryIt(path, method, operation, read);
  const posted = operation.requestBody?.content["application/json"];
  return el(
    "article", { id: operation.operationId },
    el("h2", {}, el("span", { class: `method ${method}` }, method.toUpperCase()), el("span", { class: "path" }, path)),
    el("p", {}, prose(operation.summary)),
    operation.description && operation.description !== operation.summary ? paragraphs(operation.description, "more") : "",
    parameters.length ? [el("h3", {}, "Parameters"), el("dl", { class: "rows" }, parameters)] : "",
    posted ? [el("h3", {}, "Body"), el("pre", { tabindex: "0" }, read.shape(posted.schema))] : "",
    el("h3", {}, "Request"), tried.curl,
    good?.example !== undefined ? [el("h3", {}, "Answer"), el("pre", { tabindex: "0" }, JSON.stringify(good.example, null, 2))] : "",
    tried.box,
    type === "application/json" ? el("details", {}, el("summary", {}, "Form of the answer"), el("p", {}), el("pre", { tabindex: "0" }, read.shape(good.schema))) : "",
    el("details", {}, el("summary", {}, "All statuses and headers"), el("p", {}), el("dl", { class: "rows" }, responses)),
  );
}

function build(spec) {
  const read = reader(spec);
  const nav = document.getElementById("nav");
  const main = document.getElementById("main");
  const [first, ...more] = spec.info.description.split("\n\n");
  const about = [el("h1", {}, `${spec.info.title} API`), el("div", { class: "lead" }, paragraphs(first, ""), paragraphs(more.join("\n\n"), "more"))];
  nav.append(el("div", {}, el("span", { class: "name" }, spec.info.title), el("span", { class: "version" }, spec.info.version)));
  const contents = el("details", {}, el("summary", {}, "Endpoints"));
  nav.append(contents);
  const isWide = matchMedia("(min-width: 50.01rem)");
  const fold = () => { contents.open = isWide.matches; };
  isWide.addEventListener("change", fold);
  contents.addEventListener("click", (event) => { if (event.target.closest("a")) fold(); });
  fold();
  const all = Object.entries(spec.paths)
    .filter(([path]) => !path.startsWith("/docs/")) // the files of this page
    .flatMap(([path, item]) => Object.entries(item).map(([method, operation]) => ({ path, method, operation })));
  const links = new Map();
  for (const tag of spec.tags) {
    const list = el("ul");
    for (const { path, operation } of all.filter((each) => each.operation.tags.includes(tag.name))) {
      const link = el("a", { href: `#${operation.operationId}`, title: path }, path.startsWith("/telemetry/") ? path.split("/").pop() : path);
      links.set(operation.operationId, link);
      list.append(el("li", {}, link));
    }
    contents.append(el("h2", { title: tag.description }, tag.name), list);
  }
  main.replaceChildren(...about, ...all.map((each) => endpoint(each.path, each.method, each.operation, read)));
  const seen = new IntersectionObserver((entries) => {
    for (const entry of entries.filter((each) => each.isIntersecting)) {
      for (const link of links.values()) link.removeAttribute("aria-current");
      links.get(entry.target.id).setAttribute("aria-current", "true");
    }
  }, { rootMargin: "0px 0px -75% 0px" });
  for (const article of main.querySelectorAll("article")) seen.observe(article);
  if (location.hash) document.getElementById(location.hash.slice(1))?.scrollIntoView();
}

fetch(new URL("openapi.json", BASE))
  .then((response) => (response.ok ? response.json() : Promise.reject(new Error(`${response.status} ${response.statusText}`))))
  .then(build)
  .catch((error) => document.getElementById("main").replaceChildren(el("p", {}, `openapi.json could not be read: ${error.message}`)));
