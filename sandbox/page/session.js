/** Who one is and what there is: the island's people, channels and roles, as one person sees them. */

export const CHANNEL_DM = 1;

export class Session {
  dismissed = new Set(); // ids of the messages for this person alone that they took off the page

  /** `data` is the answer of `GET /sandbox/session`. */
  constructor(data) {
    this.guild = data.guild;
    this.channels = data.channels;
    this.people = data.users;
    this.bot = data.bot;
    this.online = data.online;
    this.me = data.users.find((user) => user.id === data.me);
    this.locale = this.me.locale;
  }

  /** Everyone with a name here: the people, then the bot. */
  get everyone() {
    return [...this.people, this.bot];
  }

  get roles() {
    return [{ id: this.guild.id, name: "@everyone" }]; // the role every guild has; its id is the guild's own
  }

  user(id) {
    return this.everyone.find((user) => user.id === id);
  }

  channel(id) {
    return this.channels.find((channel) => channel.id === id);
  }

  role(id) {
    return this.roles.find((role) => role.id === id);
  }

  /**
   * Whom or what an option or a select of a `kind` (user, role, mentionable, channel) offers, `{name, value}`; channels
   * are the guild's, those of some `types` if given: the direct conversation is none that one could name.
   */
  candidates(kind, types) {
    const users = this.everyone.map((user) => ({ name: displayName(user), value: user.id }));
    const roles = this.roles.map(({ id, name }) => ({ name, value: id }));
    const channels = this.channels
      .filter(({ type }) => type !== CHANNEL_DM && (!types?.length || types.includes(type)))
      .map(({ id, name }) => ({ name: `#${name}`, value: id }));
    return { user: users, role: roles, mentionable: [...users, ...roles], channel: channels }[kind];
  }
}

export function displayName(user) {
  return user.global_name ?? user.username;
}
