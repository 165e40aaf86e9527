/** The sandbox's HTTP interface for one person. */

/** A request came to nothing; the message is a sentence to show, `status` HTTP's, if there was an answer at all. */
export class ApiError extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

async function call(path, options) {
  let response, body;
  try {
    response = await fetch(path, options);
    body = response.headers.get("Content-Type")?.startsWith("application/json") && (await response.json());
  } catch {
    throw new ApiError("The sandbox cannot be reached. See whether it still runs in its terminal.");
  }
  const { ok, status } = response;
  if (!body) throw new ApiError(`The sandbox answered ${status} and no more. Its terminal may say why.`, status);
  if (!ok) throw new ApiError(body.message, status);
  return body;
}

/** A POST of JSON, or of a form with the JSON and the files beside it, as Discord has it. */
function post(path, payload, files) {
  if (!files.length) {
    return call(path, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(payload),
    });
  }
  const form = new FormData();
  form.append("payload_json", JSON.stringify(payload));
  files.forEach((file, index) => form.append(`files[${index}]`, file, file.name));
  return call(path, { method: "POST", body: form });
}

export class Api {
  /** Without a `user` the sandbox chooses who one is. */
  constructor(user) {
    this.user = user;
  }

  static session(user) {
    return call(`/sandbox/session?${new URLSearchParams(user ? { user } : {})}`);
  }

  commands(channel) {
    return call(`/sandbox/commands?${new URLSearchParams({ user: this.user, channel })}`);
  }

  /** The newest messages of a channel, or those just before the message `before`; oldest first. */
  messages(channel, limit, before) {
    const query = new URLSearchParams({ user: this.user, limit, ...(before && { before }) });
    return call(`/sandbox/channels/${channel}/messages?${query}`);
  }

  send(channel, content, files) {
    return post(`/sandbox/channels/${channel}/messages`, { user: this.user, content }, files);
  }

  interact(interaction, files) {
    return post("/sandbox/interactions", { user: this.user, ...interaction }, files);
  }
}
