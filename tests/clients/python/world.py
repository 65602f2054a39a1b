"""The world that `faregate dev` made, and a person in it with a browser that runs no scripts.

Owns forms; it knows no library that is tested.
"""

import json
import os
from contextlib import contextmanager
from html.parser import HTMLParser
from urllib.parse import urljoin, urlsplit

import requests

WORLD = json.loads(os.environ["FAREGATE_WORLD"])


@contextmanager
def step(name):
    """Names what is done, so that a failure says where."""
    try:
        yield
    except BaseException:
        print(f"FAILED {name}", flush=True)
        raise
    print(f"ok {name}", flush=True)


def status_with(token):
    """What the gateway answers to the holder of a token."""
    headers = {"Authorization": f"Bearer {token}"}
    return requests.get(f"{WORLD['gateway']}/admin/here", headers=headers, timeout=30).status_code


class Forms(HTMLParser):
    """The first form of a page."""

    def __init__(self, text):
        super().__init__()
        self.action, self.fields, self.allow, self.inside, self.done = None, {}, None, False, False
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        if tag == "form" and not self.done:
            self.inside, self.action = True, attributes.get("action")
        elif self.inside and tag == "input" and attributes.get("type") != "checkbox" and "name" in attributes:
            self.fields[attributes["name"]] = attributes.get("value", "")
        elif self.inside and tag == "button" and attributes.get("id") == "allow":
            self.allow = (attributes["name"], attributes["value"])

    def handle_endtag(self, tag):
        if tag == "form":
            self.inside, self.done = False, True


class Browser:
    def __init__(self):
        self.session = requests.Session()

    def authorize(self, url, callback):
        """Signs in and says yes to everything, until the browser is sent to `callback`; answers that URL."""
        page = self._load("GET", url, callback)
        for _ in range(6):
            if isinstance(page, str):
                return page
            page = self._submit(page, callback)
        raise AssertionError(f"no way back to the client: {page.text}")

    def open(self, url):
        """Opens an address of an application, signs in where that is asked for, and answers the page at the end."""
        page = self._load("GET", url, None)
        for _ in range(6):
            if "<form" not in page.text:
                return page
            page = self._submit(page, None)
        raise AssertionError(f"no way back to the application: {page.text}")

    def approve_device(self, url):
        """Enters a user code by its complete address, and allows what the device asks for."""
        page = self._load("GET", url, None)
        for _ in range(6):
            if "<form" not in page.text:
                break
            page = self._submit(page, None)
        assert page.status_code == 200 and "<form" not in page.text, page.text

    def leave(self, url, callback):
        """Opens an address and answers where it leads."""
        page = self._load("GET", url, callback)
        assert isinstance(page, str), f"no way back to the client: {page.status_code} {page.text}"
        return page

    def _submit(self, page, callback, allows=True):
        form = Forms(page.text)
        assert form.done, page.text
        fields = dict(form.fields)
        if "password" in fields:
            fields.update(loginId=WORLD["user"]["email"], password=WORLD["user"]["password"])
        if form.allow:
            fields.update([form.allow if allows else (form.allow[0], "deny")])
        return self._load("POST", urljoin(page.url, form.action or page.url), callback, fields)

    def _load(self, method, url, callback, fields=None):
        for _ in range(10):
            if callback and url.startswith(callback):
                return url
            headers = {"Accept": "text/html"}
            if method == "POST":
                headers["Origin"] = "{0.scheme}://{0.netloc}".format(urlsplit(url))
            page = self.session.request(
                method, url, data=fields, headers=headers, allow_redirects=False, timeout=30
            )
            if "location" not in page.headers:
                return page
            method, url, fields = "GET", urljoin(url, page.headers["location"]), None
        raise AssertionError(f"{url} redirects without end")
