/** An HTTP client with cookies by host and port, which follows redirects only if told to. */
export class Visitor {
  jars = new Map();

  jar(url) {
    const { origin } = new URL(url);
    if (!this.jars.has(origin)) this.jars.set(origin, new Map());
    return this.jars.get(origin);
  }

  async send(url, options = {}) {
    const jar = this.jar(url);
    const cookie = [...jar].map(([name, value]) => `${name}=${value}`).join("; ");
    const headers = { ...options.headers, ...(cookie && { cookie }) };
    const answer = await fetch(url, { ...options, headers, redirect: "manual" });
    for (const line of answer.headers.getSetCookie()) {
      const [pair, ...attributes] = line.split(/; */);
      const at = pair.indexOf("=");
      const gone = attributes.some((text) => /^(max-age=0|expires=thu, 01 jan 1970)/i.test(text));
      if (gone) jar.delete(pair.slice(0, at));
      else jar.set(pair.slice(0, at), pair.slice(at + 1));
    }
    return answer;
  }

  /** Sends JSON, from the page of the origin of the URL. */
  post(url, body, headers = {}) {
    const { origin } = new URL(url);
    return this.send(url, {
      method: "POST",
      headers: { "content-type": "application/json", origin, ...headers },
      body: JSON.stringify(body),
    });
  }

  /** Follows redirects while the next URL is not one at which to `stop`. */
  async follow(url, options, stop = () => false) {
    let answer = await this.send(url, options);
    for (let hops = 0; answer.status >= 300 && answer.status < 400 && hops < 10; hops++) {
      url = new URL(answer.headers.get("location"), url).href;
      if (stop(url)) break;
      answer = await this.send(url);
    }
    return { answer, url, text: await answer.text() };
  }

  /** Submits the form of a page with its hidden inputs. */
  async submit(page, fields, stop) {
    const { action, inputs } = form(page.text);
    return this.follow(new URL(action, page.url).href, {
      method: "POST",
      headers: { "content-type": "application/x-www-form-urlencoded", referer: page.url },
      body: new URLSearchParams({ ...inputs, ...fields }).toString(),
    }, stop);
  }
}

/** The action and the hidden inputs of the first form of a page. */
function form(text) {
  const found = /<form([^>]*)>([\s\S]*?)<\/form>/.exec(text);
  if (!found) throw new Error(`a page without a form: ${text}`);
  const attribute = (tag, name) => {
    const value = new RegExp(`\\b${name}="([^"]*)"`).exec(tag)?.[1] ?? "";
    return value.replaceAll("&quot;", '"').replaceAll("&lt;", "<").replaceAll("&amp;", "&");
  };
  const hidden = [...found[2].matchAll(/<input[^>]*type="hidden"[^>]*>/g)].map(([tag]) => tag);
  const inputs = hidden.map((tag) => [attribute(tag, "name"), attribute(tag, "value")]);
  return { action: attribute(found[1], "action"), inputs: Object.fromEntries(inputs) };
}
