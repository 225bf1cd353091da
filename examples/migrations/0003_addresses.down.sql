-- Back to one address: the first of each.
ALTER TABLE customers ADD COLUMN address TEXT NOT NULL DEFAULT '';
UPDATE customers
SET address = (SELECT min(address) FROM addresses WHERE addresses.customer = customers.id);
DROP TABLE addresses;
