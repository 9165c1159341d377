"""1C: «Обмен с сайтом», CommerceML 2 over HTTP. 1C is the caller; the hub plays the site."""
