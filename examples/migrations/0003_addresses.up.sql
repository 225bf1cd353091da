-- A customer may have several addresses: they move to a table of their own.
CREATE TABLE addresses (
    customer INTEGER NOT NULL REFERENCES customers (id),
    address TEXT NOT NULL,
    PRIMARY KEY (customer, address)
);
INSERT INTO addresses SELECT id, address FROM customers;
ALTER TABLE customers DROP COLUMN address;
