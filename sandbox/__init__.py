"""A Discord of one's own on loopback: gateway, REST, CDN and a web page, all in memory."""
